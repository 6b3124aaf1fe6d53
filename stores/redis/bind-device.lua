#!lua
-- include clock
-- include record
-- include log
local session, sid, publicKey = KEYS[4], ARGV[4], ARGV[5]
local record, fields = readRecord(session)
if not record or record.mode ~= 'session' then return { now, 'unknown', false } end
if record.deviceKey then return { now, record.deviceKey == publicKey and 'already' or 'refused', fields } end
redis.call('HSET', session, 'deviceKey', publicKey, 'deviceBoundAtMs', int(now), 'deviceRenewals', '0')
append(cjson.encode({ 'changed', sid }), 0)
return { now, 'bound', redis.call('HGETALL', session) }
