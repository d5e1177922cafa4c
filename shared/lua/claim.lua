#!lua flags=allow-oom
-- Move up to ARGV[1] tasks from the left of a queue to the right of what a worker holds; and a few more where they follow at
-- once and share a decoded picture with the last one ("shared"): another worker would have to decode it again.
local claimed = {}

local function take()
	local task = redis.call('LMOVE', KEYS[1], KEYS[2], 'LEFT', 'RIGHT')
	if task then claimed[#claimed + 1] = task end
	return task
end

local function picture(task)
	local from, to = string.find(task, '^{"v":1,"job":"[^"]*","step":"[^"]*","item":%d+,')
	if not from or not string.find(task, ',"shared":{', to, true) then return nil end
	return string.gsub(string.sub(task, 1, to), '"step":"[^"]*"', '', 1)
end

for i = 1, tonumber(ARGV[1]) do
	if not take() then return claimed end
end
local shared = #claimed > 0 and picture(claimed[#claimed])
for i = 1, 16 do
	local following = shared and redis.call('LINDEX', KEYS[1], 0)
	if not following or picture(following) ~= shared then break end
	take()
end
return claimed
