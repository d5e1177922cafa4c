#!lua flags=allow-oom
-- Puts letters at the head of a list that is kept short. KEYS: dlq. ARGV: most, "new" | "again", then pairs:
-- how the letter begins, the letter. "again": only if no letter in the list begins so. Returns how many were cut off.
-- What is no list at its key makes room.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'list' and kind ~= 'none' then
	redis.call('RENAME', KEYS[1], KEYS[1] .. ':no-list')
end
local there = {}
if ARGV[2] == 'again' then
	for _, letter in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
		there[string.match(letter, '^{"job":"[^"]*","step":"[^"]*","item":%-?%d+,') or string.match(letter, '^{"id":"[^"]*",') or ''] = true
	end
end
for k = 3, #ARGV, 2 do
	if not there[ARGV[k]] then
		redis.call('LPUSH', KEYS[1], ARGV[k + 1])
		there[ARGV[k]] = ARGV[2] == 'again'
	end
end
local over = redis.call('LLEN', KEYS[1]) - tonumber(ARGV[1])
if over > 0 then
	redis.call('LTRIM', KEYS[1], 0, tonumber(ARGV[1]) - 1)
	return over
end
return 0
