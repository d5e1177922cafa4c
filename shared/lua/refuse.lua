#!lua flags=allow-oom
-- Move what is not a task from what a worker holds to the dead letters: ARGV is the entry, then the letter.
-- Only if the worker still holds it.
-- What is no list at its key makes room.
local kind = redis.call('TYPE', KEYS[2]).ok
if kind ~= 'list' and kind ~= 'none' then
	redis.call('RENAME', KEYS[2], KEYS[2] .. ':no-list')
end
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
redis.call('LPUSH', KEYS[2], ARGV[2])
return 1
