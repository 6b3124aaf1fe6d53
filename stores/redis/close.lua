#!lua flags=allow-oom
-- include clock
-- include record
-- include log
local session, sid, maxTokenAgeMs, origin = KEYS[4], ARGV[4], tonumber(ARGV[5]), ARGV[6]
local record, fields = readRecord(session)
if isOfOtherOrigin(record, origin) then return { now, fields } end
-- The removal comes first, so that the session is gone even when a later step fails.
redis.call('DEL', session)
if record then removeRecord(sid, record.subjectKey) end
local isInForce = number(redis.call('ZSCORE', KEYS[3], cjson.encode({ 'sid', sid }))) > now
if record or not isInForce then revokeSid(sid, maxTokenAgeMs) end
return { now, fields }
