#!lua flags=allow-oom
-- include clock
-- include record
-- include log
-- include cut
local subject, index = KEYS[4], KEYS[5]
local subjectKey, exceptSid, keepForMs = ARGV[4], ARGV[5], tonumber(ARGV[6])

local excepted = readRecord(prefix .. 'session:' .. exceptSid)
if not excepted or excepted.subjectKey ~= subjectKey then exceptSid = '' end
for _, sid in ipairs(redis.call('ZRANGE', index, 0, -1)) do
  if sid ~= exceptSid then removeRecord(sid, subjectKey) end
end

-- Tokens of other issuers have the second of their issue for an epoch.
local belowEpoch = math.max(number(redis.call('HGET', subject, 'epoch')), floor, math.floor(now / 1000)) + 1
raiseEpoch(subjectKey, belowEpoch, exceptSid, now + keepForMs)
revoke(cjson.encode({ 'subject', subjectKey, belowEpoch, exceptSid ~= '' and exceptSid or cjson.null }), now + keepForMs)
return { now, belowEpoch, exceptSid, now + keepForMs }
