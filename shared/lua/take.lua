#!lua flags=allow-oom
-- Moves submissions from the right of a list into a dispatcher's hash. KEYS: list, taken. ARGV: most bytes in all,
-- then the ids that the jobs will have. Returns id, submission, id, submission ...
local out = {}
local bytes = 0
for k = 2, #ARGV do
	local s = redis.call('RPOP', KEYS[1])
	if not s then
		break
	end
	redis.call('HSET', KEYS[2], ARGV[k], KEYS[1] .. '\n' .. s)
	out[#out + 1] = ARGV[k]
	out[#out + 1] = s
	bytes = bytes + #s
	if bytes >= tonumber(ARGV[1]) then
		break
	end
end
return out
