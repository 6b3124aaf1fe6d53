#!lua flags=allow-oom
-- include clock
-- include record
-- include log
-- include cut
local lease, owner, leaseMs = KEYS[4], ARGV[4], tonumber(ARGV[5])
local holder = redis.call('GET', lease)
if holder and holder ~= owner then return { now, 'busy' } end
redis.call('SET', lease, owner, 'PX', int(leaseMs))

-- Each function repeats the effects of one kind of revocation when they were lost.
local again = {}

function again.sid(entry, untilMs, sid)
  local record = readRecord(prefix .. 'session:' .. sid)
  redis.call('DEL', prefix .. 'session:' .. sid)
  if record then removeRecord(sid, record.subjectKey) end
  if record or number(redis.call('ZSCORE', KEYS[3], entry)) <= now then revoke(entry, untilMs) end
end

function again.jti(entry, untilMs, tokenKey)
  local name = prefix .. 'token:' .. tokenKey
  if untilMs <= number(redis.call('GET', name)) then return end
  redis.call('SET', name, int(untilMs))
  expireAt(name, untilMs)
  revoke(entry, untilMs)
end

function again.subject(entry, untilMs, subjectKey, belowEpoch, exceptSid)
  -- A later cut includes this one.
  if number(redis.call('HGET', prefix .. 'subject:' .. subjectKey, 'epoch')) >= belowEpoch then return end
  for _, sid in ipairs(redis.call('ZRANGE', prefix .. 'index:' .. subjectKey, 0, -1)) do
    local epoch = number(redis.call('HGET', prefix .. 'session:' .. sid, 'epoch'))
    if sid ~= exceptSid and epoch < belowEpoch then removeRecord(sid, subjectKey) end
  end
  raiseEpoch(subjectKey, belowEpoch, exceptSid, untilMs, latestCutMs(belowEpoch))
  revoke(entry, untilMs)
end

function again.all(entry, untilMs, belowEpoch)
  if floor >= belowEpoch then return end
  floor = belowEpoch
  redis.call('HSET', KEYS[1], 'floor', int(floor), 'cutEpoch', int(floor), 'cutAtMs', int(latestCutMs(floor)))
  revoke(entry, untilMs)
end

for i = 6, #ARGV, 2 do
  local entry, untilMs = ARGV[i], tonumber(ARGV[i + 1])
  local kind, first, second, third = unpack(cjson.decode(entry))
  if untilMs > now then again[kind](entry, untilMs, first, second, third) end
end
return { now, 'asserted' }
