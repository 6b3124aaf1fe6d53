-- Names with this prefix share the slot of KEYS: the prefix contains the hash tag, and a session is in its subject's shard.
local prefix = ARGV[3]
local floor = number(redis.call('HGET', KEYS[1], 'floor'))

-- A record past its expiry or below the floor of revoke-all counts as absent; a subject's cut removes the records that it ends at
-- once.
local function isLive(expiresAtMs, epoch)
  local untilMs, since = tonumber(expiresAtMs), tonumber(epoch)
  return untilMs and since and now < untilMs and since >= floor
end

-- A foreign value under our name counts as no record: it must not keep the owner from signing in or out.
local function ofRecord(reply)
  return reply.err and {} or reply
end

local function readFields(key, ...)
  return ofRecord(redis.pcall('HMGET', key, ...))
end

local function readRecord(key)
  local fields = ofRecord(redis.pcall('HGETALL', key))
  local record = {}
  for i = 1, #fields, 2 do record[fields[i]] = fields[i + 1] end
  if not isLive(record.expiresAtMs, record.epoch) then return nil, false end
  return record, fields
end

-- lib/session/record.ts in Lua: a record without an origin belongs to every origin, and an empty text disables the check.
local function isOfOtherOrigin(record, origin)
  return origin ~= '' and record and record.origin and record.origin ~= origin
end

local function removeRecord(sid, subjectKey)
  redis.call('DEL', prefix .. 'session:' .. sid)
  redis.call('ZREM', prefix .. 'index:' .. subjectKey, sid)
end
