#!lua flags=allow-oom
-- include clock
-- include record
-- include log
local session, sid, renewals = KEYS[4], ARGV[4], tonumber(ARGV[5])
local record, fields = readRecord(session)
if not record or not record.deviceKey then return { now, 'unknown', false } end
if number(record.deviceRenewals) ~= renewals then return { now, 'used', fields } end
redis.call('HSET', session, 'deviceRenewals', int(renewals + 1))
if renewals == 0 then append(cjson.encode({ 'changed', sid }), 0) end
return { now, 'renewed', redis.call('HGETALL', session) }
