#!lua flags=allow-oom
-- What was taken from a list that nobody here serves goes back to where it would be taken next. KEYS: taken, the list.
-- ARGV: id, the message.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
	return 0
end
redis.call('RPUSH', KEYS[2], ARGV[2])
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
