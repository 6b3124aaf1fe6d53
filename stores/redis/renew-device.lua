#!lua flags=allow-oom
-- include clock
-- include record
local session, renewals = KEYS[4], tonumber(ARGV[4])
local record, fields = readRecord(session)
if not record or not record.deviceKey then return { now, 'unknown', false } end
if number(record.deviceRenewals) ~= renewals then return { now, 'used', fields } end
redis.call('HSET', session, 'deviceRenewals', int(renewals + 1))
return { now, 'renewed', redis.call('HGETALL', session) }
