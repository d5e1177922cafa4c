#!lua flags=allow-oom
-- A dispatcher's heartbeat. KEYS: dispatcher, dispatchers, epoch. ARGV: what it says, milliseconds, name.
-- Returns the epoch.
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SADD', KEYS[2], ARGV[3])
return redis.call('GET', KEYS[3]) or ''
