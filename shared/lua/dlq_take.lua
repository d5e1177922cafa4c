#!lua flags=allow-oom
-- Takes letters out of a list by how they begin. KEYS: dlq. ARGV: the beginnings. Returns how many.
local taken = 0
local list = redis.call('LRANGE', KEYS[1], 0, -1)
for i = 1, #list do
	for k = 1, #ARGV do
		if string.sub(list[i], 1, #ARGV[k]) == ARGV[k] then
			taken = taken + redis.call('LREM', KEYS[1], 1, list[i])
			break
		end
	end
end
return taken
