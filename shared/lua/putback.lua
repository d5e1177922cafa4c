#!lua flags=allow-oom
-- Give tasks back to the heads of their queues, first in the arguments first in the queue; only what
-- this worker still holds, so that a reaped worker puts nothing back twice.
-- ARGV[1] is the prefix of queues, then pairs of queue and task.
local given = 0
for i = #ARGV - 1, 2, -2 do
	if redis.call('LREM', KEYS[1], 1, ARGV[i + 1]) == 1 then
		redis.call('LPUSH', ARGV[1] .. ARGV[i], ARGV[i + 1])
		given = given + 1
	end
end
return given
