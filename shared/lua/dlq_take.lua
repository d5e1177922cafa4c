#!lua flags=allow-oom
-- Takes letters out of a list by how they begin. KEYS: dlq. ARGV: the beginnings. Returns how many.
local wanted = {}
for _, begins in ipairs(ARGV) do
	wanted[begins] = true
end
local taken = 0
for i, letter in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
	if wanted[string.match(letter, '^{"job":"[^"]*","step":"[^"]*","item":%-?%d+,') or ''] then
		redis.call('LSET', KEYS[1], i - 1, '')
		taken = taken + 1
	end
end
if taken > 0 then
	redis.call('LREM', KEYS[1], 0, '')
end
return taken
