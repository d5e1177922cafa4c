#!lua flags=allow-oom
-- Moves submissions from the right of a list into a dispatcher's hash. KEYS: list, taken, dispatchers. ARGV: most bytes
-- in all, the dispatcher's name, then the ids that the jobs will have. Returns the submissions, in the order of the ids.
-- The name goes along, so that there is no hash whose owner nobody looks after.
-- An entry is the list's name, a newline, and the submission; of pixelfleet:jobs only the submission, when no newline is in
-- it: each string that is made here costs Redis a hash over all its bytes. A few go at a time; how many, the last few tell.
local call, find = redis.call, string.find
local head = KEYS[1] .. '\n'
local is_jobs = KEYS[1] == 'pixelfleet:jobs'
local most = tonumber(ARGV[1])
local out = {}
local n = 2
local bytes = 0
local few = 1
call('SADD', KEYS[3], ARGV[2])
while n < #ARGV and bytes < most do
	local some = call('RPOP', KEYS[1], math.min(few, #ARGV - n))
	if not some then
		break
	end
	local entries = {}
	local before = bytes
	for i = 1, #some do
		local s = some[i]
		n = n + 1
		out[n - 2] = s
		entries[2 * i - 1] = ARGV[n]
		entries[2 * i] = is_jobs and not find(s, '\n', 1, true) and s or head .. s
		bytes = bytes + #s
	end
	call('HSET', KEYS[2], unpack(entries))
	few = math.max(1, math.min(16, math.floor((most - bytes) * #some / (bytes - before + 1))))
end
return out
