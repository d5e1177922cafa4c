#!lua flags=allow-oom
-- Moves submissions from the right of a list into a dispatcher's hash. KEYS: list, taken, dispatchers. ARGV: most bytes
-- in all, the dispatcher's name, then the ids that the jobs will have. Returns id, submission, id, submission ...
-- The name goes along, so that there is no hash whose owner nobody looks after.
local out = {}
local bytes = 0
redis.call('SADD', KEYS[3], ARGV[2])
for k = 3, #ARGV do
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
