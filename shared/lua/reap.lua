#!lua flags=allow-oom
-- Takes back what a dead worker held. KEYS: worker, running, workers. ARGV: name, prefix of queues, then tasks that
-- are not to be put back (poison). Returns how many went back to the heads of their queues; -1: it lives.
if redis.call('EXISTS', KEYS[1]) == 1 then
	return -1
end
local poison = {}
for k = 3, #ARGV do
	poison[ARGV[k]] = true
end
local list = redis.call('LRANGE', KEYS[2], 0, -1)
local moved = 0
for i = #list, 1, -1 do
	local queue = string.match(list[i], '"queue":"([^"]*)"')
	if queue and not poison[list[i]] then
		redis.call('LPUSH', ARGV[2] .. queue, list[i])
		moved = moved + 1
	end
end
redis.call('DEL', KEYS[2])
redis.call('SREM', KEYS[3], ARGV[1])
return moved
