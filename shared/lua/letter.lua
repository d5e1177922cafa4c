#!lua flags=allow-oom
-- A photo's or text's message that failed, onto its list of dead letters, once. KEYS: the list, the mark that it was
-- pushed. ARGV: the letter, seconds that the mark stays. Returns whether it was pushed now.
if redis.call('EXISTS', KEYS[2]) == 1 then
	return 0
end
redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], '1', 'EX', ARGV[2])
return 1
