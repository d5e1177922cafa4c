#!lua flags=allow-oom
-- KEYS: a lock. ARGV: what it must hold to be taken away.
return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0
