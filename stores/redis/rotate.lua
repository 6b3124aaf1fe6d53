#!lua flags=allow-oom
-- include clock
-- include record
-- include log
-- include authentication
-- include rotation
-- include refresh-count
local session, sid, generation = KEYS[4], ARGV[4], tonumber(ARGV[5])
local windows = { overlapMs = tonumber(ARGV[6]), retryWindowMs = tonumber(ARGV[7]) }
local idleTimeoutMs, maxTokenAgeMs = tonumber(ARGV[8]), tonumber(ARGV[9])
local max, windowMs = tonumber(ARGV[10]), tonumber(ARGV[11])
local origin = ARGV[12]

local record, fields = readRecord(session)
if not record or not record.generation or isOfOtherOrigin(record, origin) then return { now, 'unknown', false } end
if elapsed(tonumber(record.lastUsedAtMs)) >= idleTimeoutMs then return { now, 'expired', fields } end

local count, untilMs
if max > 0 then
  count, untilMs = countRefresh(record, max, windowMs)
  if count > max then
    -- A client that continues over the limit must not fill the append-only file.
    if record.refreshes ~= int(count) then redis.call('HSET', session, 'refreshes', int(count), 'refreshesUntilMs', int(untilMs)) end
    return { now, 'limited', fields, false, int(count), int(untilMs - now) }
  end
end

local family = decodeFamily(record)
local known = { authTimeMs = tonumber(record.authTimeMs), acr = record.acr, amr = record.amr }
local fresh = ARGV[13] and { acr = ARGV[13], amr = ARGV[14] }
local outcome, authentication, granted = rotate(family, { generation = generation, authentication = known, fresh = fresh }, windows)
if outcome == 'reused' or outcome == 'expired' then
  removeRecord(sid, record.subjectKey)
  revokeSid(sid, maxTokenAgeMs)
  return { now, outcome, fields }
end

local changes = encodeFamily(family)
local function change(...)
  for _, text in ipairs({ ... }) do changes[#changes + 1] = text end
end
change('lastUsedAtMs', int(math.max(now, tonumber(record.lastUsedAtMs))))
if authentication ~= known then change('authTimeMs', int(authentication.authTimeMs), 'acr', authentication.acr, 'amr', authentication.amr) end
if count then change('refreshes', int(count), 'refreshesUntilMs', int(untilMs)) end
redis.call('HSET', session, unpack(changes))
for _, text in ipairs(changes) do fields[#fields + 1] = text end
return { now, outcome, fields, { int(granted.authTimeMs), granted.acr, granted.amr }, count and int(count), count and int(untilMs - now) }
