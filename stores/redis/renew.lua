#!lua flags=allow-oom
-- include clock
-- include record
-- include log
local session, sid, secretHash, acr, amr = KEYS[4], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local record = readRecord(session)
if not record or record.mode ~= 'session' then return { now, false } end
redis.call('HSET', session, 'secretHash', secretHash, 'authTimeMs', int(now), 'acr', acr, 'amr', amr)
append(cjson.encode({ 'changed', sid }), 0)
return { now, redis.call('HGETALL', session) }
