#!lua flags=allow-oom
-- What is at the breakers' keys. KEYS: breakers. ARGV: 'pixelfleet:breaker:'. A name whose key is gone leaves the set.
local texts = {}
for _, backend in ipairs(redis.call('SMEMBERS', KEYS[1])) do
	local text = redis.pcall('GET', ARGV[1] .. backend)
	if type(text) == 'string' then
		texts[#texts + 1] = text
	else
		redis.call('SREM', KEYS[1], backend)
	end
end
return texts
