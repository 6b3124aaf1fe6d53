-- Replicas may keep a cut for longer than it is in force, and an epoch that restarted too soon would be below it.
local marginMs = 86400000
-- lib/revocation/cut-instant.ts in Lua.
local cutInstantKeptMs = 2592000000

local function latestCutMs(epoch)
  return math.min(now, epoch * 1000 - 1)
end

local function cutInstantOf(name, epochField)
  local known = redis.call('HMGET', name, epochField, 'cutEpoch', 'cutAtMs')
  local epoch = number(known[1])
  if epoch <= 1 then return nil end
  if known[3] and number(known[2]) == epoch then return number(known[3]) end
  return latestCutMs(epoch)
end

local function lastCutMs(subject)
  local ofSubject, ofAll = cutInstantOf(subject, 'epoch'), cutInstantOf(KEYS[1], 'floor')
  return ofSubject and ofAll and math.max(ofSubject, ofAll) or ofSubject or ofAll
end

local function isCutSince(subject, beganAtMs, countsFromMs)
  local lastMs = lastCutMs(subject)
  return lastMs and (lastMs >= countsFromMs or beganAtMs > now)
end

-- Notes the instant of the cut that has set the present epoch of a subject.
local function noteCut(subject, epoch, atMs)
  redis.call('HSET', subject, 'cutEpoch', int(epoch), 'cutAtMs', int(atMs))
  keepUntil(subject, now + cutInstantKeptMs)
end

-- Makes new sessions of the subject begin at this epoch; the excepted session keeps its epoch.
local function raiseEpoch(subjectKey, epoch, exceptSid, untilMs, atMs)
  local name = prefix .. 'subject:' .. subjectKey
  local excepted = type(exceptSid) == 'string' and exceptSid or ''
  redis.call('HSET', name, 'epoch', int(epoch), 'except', excepted)
  keepUntil(name, untilMs + marginMs)
  noteCut(name, epoch, atMs)
  local expiresAtMs = excepted ~= '' and redis.call('HGET', prefix .. 'session:' .. excepted, 'expiresAtMs')
  if expiresAtMs then keepUntil(name, tonumber(expiresAtMs)) end
  if epoch > number(redis.call('HGET', KEYS[1], 'maxEpoch')) then redis.call('HSET', KEYS[1], 'maxEpoch', int(epoch)) end
end

-- Ends all sessions of the subject except one. Returns the epoch, the excepted session or an empty text, and the number of those ended.
local function cutSubject(subject, index, subjectKey, exceptSid, keepForMs)
  local excepted = readRecord(prefix .. 'session:' .. exceptSid)
  if not excepted or excepted.subjectKey ~= subjectKey then exceptSid = '' end
  local ended = 0
  for _, sid in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    if sid ~= exceptSid then
      local known = readFields(prefix .. 'session:' .. sid, 'expiresAtMs', 'epoch')
      if isLive(known[1], known[2]) then ended = ended + 1 end
      removeRecord(sid, subjectKey)
    end
  end

  -- Tokens of other issuers have the second of their issue as their epoch.
  local atLeast = math.max(floor, math.floor(now / 1000)) + 1
  local known = redis.call('HMGET', subject, 'epoch', 'except')
  local epoch, spared = number(known[1]), known[2] or ''
  -- A cut that would end nothing more than the last one is skipped; otherwise epochs would run ahead of the clock, and the log would
  -- fill. A sign-in at a provider may have begun since the last one.
  if ended == 0 and epoch >= atLeast and (spared == '' or spared == exceptSid) then
    noteCut(subject, epoch, now)
    return epoch, spared, ended
  end
  local belowEpoch = math.max(epoch + 1, atLeast)
  raiseEpoch(subjectKey, belowEpoch, exceptSid, now + keepForMs, now)
  revoke(cjson.encode({ 'subject', subjectKey, belowEpoch, exceptSid ~= '' and exceptSid or cjson.null }), now + keepForMs)
  return belowEpoch, exceptSid, ended
end
