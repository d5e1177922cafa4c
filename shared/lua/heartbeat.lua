#!lua flags=allow-oom
-- KEYS: worker:<name>, running:<name>, workers, epoch. ARGV: heartbeat, its life in ms, name.
-- Says whether the last heartbeat was still there, how much the worker holds, and the epoch.
local existed = redis.call('EXISTS', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SADD', KEYS[3], ARGV[3])
return { existed, redis.call('LLEN', KEYS[2]), redis.call('GET', KEYS[4]) or '' }
