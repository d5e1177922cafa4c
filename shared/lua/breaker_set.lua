#!lua flags=allow-oom
-- A dispatcher says how a breaker is. KEYS: breaker:<backend>, breakers. ARGV: backend, JSON, its opening, 'closed' or
-- another state, milliseconds that a closed one is remembered.
-- What was closed is not opened again under the same opening, and the first opening of two is the one that counts.
local text = redis.pcall('GET', KEYS[1])
local found, old = pcall(cjson.decode, type(text) == 'string' and text or '')
if found and type(old) == 'table' then
	local same, closed = old.opening == ARGV[3], old.state == 'closed'
	if same and closed and ARGV[4] ~= 'closed' then return 0 end
	if not same and not closed then return 0 end
end
if ARGV[4] == 'closed' then
	redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[5])
else
	redis.call('SET', KEYS[1], ARGV[2])
end
redis.call('SADD', KEYS[2], ARGV[1])
return 1
