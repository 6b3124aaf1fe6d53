#!lua
-- include clock
-- include record
-- include log
-- The data is one text, which is never decoded here: cjson would change numbers and empty lists.
local session, sid, data = KEYS[4], ARGV[4], ARGV[5]
local record = readRecord(session)
if not record then return { now, false } end
redis.call('HSET', session, 'data', data)
append(cjson.encode({ 'changed', sid }), 0)
return { now, redis.call('HGETALL', session) }
