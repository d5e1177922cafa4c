#!lua flags=allow-oom
-- Takes back what a dead worker held. KEYS: worker, running, workers, dlq:jobs. ARGV: name, prefix of queues, then tasks
-- that are not to be put back (poison). Returns how many went back to the heads of their queues; -1: it lives.
-- An entry that names no queue, so is no task of ours, becomes a letter of the refused.
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
	if not queue then
		local kind = redis.call('TYPE', KEYS[4]).ok
		if kind == 'list' or kind == 'none' then
			redis.call('LPUSH', KEYS[4], cjson.encode({ error = { message = 'a dead worker held what is no task' }, worker = ARGV[1], raw = list[i] }))
		end
	elseif not poison[list[i]] then
		redis.call('LPUSH', ARGV[2] .. queue, list[i])
		moved = moved + 1
	end
end
redis.call('DEL', KEYS[2])
redis.call('SREM', KEYS[3], ARGV[1])
return moved
