-- Replicas may keep a cut for longer than it is in force, and an epoch that restarted too soon would be below it.
local marginMs = 86400000

-- Makes new sessions of the subject begin at this epoch; the excepted session keeps its epoch.
local function raiseEpoch(subjectKey, epoch, exceptSid, untilMs)
  local name = prefix .. 'subject:' .. subjectKey
  local excepted = type(exceptSid) == 'string' and exceptSid or ''
  redis.call('HSET', name, 'epoch', int(epoch), 'except', excepted)
  keepUntil(name, untilMs + marginMs)
  local expiresAtMs = excepted ~= '' and redis.call('HGET', prefix .. 'session:' .. excepted, 'expiresAtMs')
  if expiresAtMs then keepUntil(name, tonumber(expiresAtMs)) end
  if epoch > number(redis.call('HGET', KEYS[1], 'maxEpoch')) then redis.call('HSET', KEYS[1], 'maxEpoch', int(epoch)) end
end
