#!lua flags=allow-oom
-- Move up to ARGV[1] tasks from the left of a queue to the right of what a worker holds.
local claimed = {}
for i = 1, tonumber(ARGV[1]) do
	local task = redis.call('LMOVE', KEYS[1], KEYS[2], 'LEFT', 'RIGHT')
	if not task then break end
	claimed[i] = task
end
return claimed
