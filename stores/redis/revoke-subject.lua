#!lua flags=allow-oom
-- include clock
-- include record
-- include log
-- include cut
local subject, index = KEYS[4], KEYS[5]
local subjectKey, exceptSid, keepForMs = ARGV[4], ARGV[5], tonumber(ARGV[6])

local excepted = readRecord(prefix .. 'session:' .. exceptSid)
if not excepted or excepted.subjectKey ~= subjectKey then exceptSid = '' end
local isAnyEnded = false
for _, sid in ipairs(redis.call('ZRANGE', index, 0, -1)) do
  if sid ~= exceptSid then
    isAnyEnded = isAnyEnded or readRecord(prefix .. 'session:' .. sid) ~= nil
    removeRecord(sid, subjectKey)
  end
end

-- Tokens of other issuers have the second of their issue as their epoch.
local atLeast = math.max(floor, math.floor(now / 1000)) + 1
local known = redis.call('HMGET', subject, 'epoch', 'except')
local epoch, spared = number(known[1]), known[2] or ''
-- A cut that would end nothing more than the last one is skipped; otherwise epochs would run ahead of the clock, and the log would
-- fill.
if not isAnyEnded and epoch >= atLeast and (spared == '' or spared == exceptSid) then return { now, epoch, spared, now + keepForMs } end
local belowEpoch = math.max(epoch + 1, atLeast)
raiseEpoch(subjectKey, belowEpoch, exceptSid, now + keepForMs)
revoke(cjson.encode({ 'subject', subjectKey, belowEpoch, exceptSid ~= '' and exceptSid or cjson.null }), now + keepForMs)
return { now, belowEpoch, exceptSid, now + keepForMs }
