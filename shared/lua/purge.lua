#!lua flags=allow-oom
-- Takes tasks of finished jobs out of a queue, within one piece of it. KEYS: queue. ARGV: first and last index, then
-- pairs: a job, and the time before which its tasks were enqueued. Returns how many were taken.
local before = {}
for k = 3, #ARGV, 2 do
	before[ARGV[k]] = ARGV[k + 1]
end
local taken = 0
local first = tonumber(ARGV[1])
local list = redis.call('LRANGE', KEYS[1], first, ARGV[2])
for i = 1, #list do
	local limit = before[string.match(list[i], '^{"v":1,"job":"([^"]*)"') or '']
	local at = limit and string.match(list[i], '"enqueued_at":"([^"]*)","trace":"')
	if at and at < limit then
		redis.call('LSET', KEYS[1], first + i - 1, '')
		taken = taken + 1
	end
end
if taken > 0 then
	redis.call('LREM', KEYS[1], 0, '')
end
return taken
