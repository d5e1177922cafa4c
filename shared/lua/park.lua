#!lua flags=allow-oom
-- Write down again what a worker holds, after the list was lost; what is there stays as it is.
local parked = 0
for _, task in ipairs(ARGV) do
	if not redis.call('LPOS', KEYS[1], task) then
		redis.call('RPUSH', KEYS[1], task)
		parked = parked + 1
	end
end
return parked
