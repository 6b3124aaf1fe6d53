#!lua
-- include clock
-- include log
local document, expectedVersion, text = KEYS[4], tonumber(ARGV[4]), ARGV[5]
if number(redis.call('HGET', document, 'version')) ~= expectedVersion then return { now, 'conflict' } end
redis.call('HSET', document, 'version', int(expectedVersion + 1), 'text', text)
append(cjson.encode({ 'keys' }), 0)
return { now, 'written' }
