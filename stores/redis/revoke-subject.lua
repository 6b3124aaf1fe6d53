#!lua flags=allow-oom
-- include clock
-- include record
-- include log
-- Replicas may keep a cut for longer than it is in force: an epoch that started again too soon would fall under it.
local marginMs = 86400000
local subjectKey, index = KEYS[4], KEYS[5]
local subject, exceptSid, keepForMs = ARGV[4], ARGV[5], tonumber(ARGV[6])

local excepted = readRecord(prefix .. 'session:' .. exceptSid)
if not excepted or excepted.subject ~= subject then
  excepted = nil
  exceptSid = ''
end
for _, sid in ipairs(redis.call('ZRANGE', index, 0, -1)) do
  if sid ~= exceptSid then removeRecord(sid, subject) end
end

-- Tokens of other issuers have the second of their issue for an epoch.
local belowEpoch = math.max(number(redis.call('HGET', subjectKey, 'epoch')), floor, math.floor(now / 1000)) + 1
redis.call('HSET', subjectKey, 'epoch', int(belowEpoch), 'except', exceptSid)
keepUntil(subjectKey, now + keepForMs + marginMs)
if excepted then keepUntil(subjectKey, tonumber(excepted.expiresAtMs)) end
if belowEpoch > number(redis.call('HGET', KEYS[1], 'maxEpoch')) then redis.call('HSET', KEYS[1], 'maxEpoch', int(belowEpoch)) end

revoke(cjson.encode({ 'subject', subject, belowEpoch, excepted and exceptSid or cjson.null }), now + keepForMs)
return { now, belowEpoch, exceptSid, now + keepForMs }
