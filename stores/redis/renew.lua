#!lua flags=allow-oom
-- include clock
-- include record
-- include log
-- include authentication
local session, sid, secretHash, acr, amr = KEYS[4], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local record = readRecord(session)
if not record or record.mode ~= 'session' then return { now, false } end
local known = { authTimeMs = tonumber(record.authTimeMs), acr = record.acr, amr = record.amr }
local authentication = strengthen(known, { acr = acr, amr = amr })
redis.call('HSET', session, 'secretHash', secretHash, 'authTimeMs', int(authentication.authTimeMs), 'acr', authentication.acr, 'amr', authentication.amr)
append(cjson.encode({ 'changed', sid }), 0)
return { now, redis.call('HGETALL', session) }
