#!lua flags=allow-oom
-- Tasks for one worker, as if it had claimed them; while it is not known to be alive, into their queues.
-- KEYS: worker:<name>, running:<name>, queues. ARGV: prefix of queues, then queue, LPUSH or RPUSH (to which end of it), and task, again
-- and again. Returns whether it got them.
local alive = redis.call('EXISTS', KEYS[1]) == 1
local names, tasks = {}, {}
for i = 2, #ARGV, 3 do
	names[ARGV[i]] = true
	tasks[#tasks + 1] = ARGV[i + 2]
	if not alive then redis.call(ARGV[i + 1], ARGV[1] .. ARGV[i], ARGV[i + 2]) end
end
if alive then redis.call('RPUSH', KEYS[2], unpack(tasks)) end
for name in pairs(names) do redis.call('SADD', KEYS[3], name) end
return alive and 1 or 0
