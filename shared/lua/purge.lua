#!lua flags=allow-oom
-- Takes tasks of finished jobs out of a queue, within one piece of it. KEYS: queue. ARGV: first and last index,
-- then job ids. Returns how many were taken.
local gone = {}
for k = 3, #ARGV do
	gone[ARGV[k]] = true
end
local taken = 0
local first = tonumber(ARGV[1])
local list = redis.call('LRANGE', KEYS[1], first, ARGV[2])
for i = 1, #list do
	local job = string.match(list[i], '^{"v":1,"job":"([^"]*)"')
	if job and gone[job] then
		redis.call('LSET', KEYS[1], first + i - 1, '')
		taken = taken + 1
	end
end
if taken > 0 then
	redis.call('LREM', KEYS[1], 0, '')
end
return taken
