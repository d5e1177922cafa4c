#!lua flags=allow-oom
-- A submission that could not be accepted becomes a letter, once. KEYS: taken, dlq. ARGV: id, letter, most.
-- What is no list at its key makes room.
local kind = redis.call('TYPE', KEYS[2]).ok
if kind ~= 'list' and kind ~= 'none' then
	redis.call('RENAME', KEYS[2], KEYS[2] .. ':no-list')
end
if redis.call('HDEL', KEYS[1], ARGV[1]) == 1 then
	redis.call('LPUSH', KEYS[2], ARGV[2])
	redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[3]) - 1)
	return 1
end
return 0
