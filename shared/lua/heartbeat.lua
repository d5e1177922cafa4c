#!lua flags=allow-oom
-- KEYS: worker:<name>, running:<name>, workers, epoch, breakers. ARGV: heartbeat, its life in ms, name, 'pixelfleet:breaker:'.
-- Says whether the last heartbeat was still there, how much the worker holds, the epoch, and what is at the breakers' keys.
local existed = redis.call('EXISTS', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SADD', KEYS[3], ARGV[3])
local breakers = {}
for _, backend in ipairs(redis.call('SMEMBERS', KEYS[5])) do
	local text = redis.pcall('GET', ARGV[4] .. backend)
	if type(text) == 'string' then breakers[#breakers + 1] = text end
end
return { existed, redis.call('LLEN', KEYS[2]), redis.call('GET', KEYS[4]) or '', breakers }
