#!lua flags=allow-oom
-- include clock
-- include record
-- include log
-- include rotation
-- include refresh-count
local session, sid, generation = KEYS[4], ARGV[4], tonumber(ARGV[5])
local windows = { overlapMs = tonumber(ARGV[6]), retryWindowMs = tonumber(ARGV[7]) }
local idleTimeoutMs, maxTokenAgeMs = tonumber(ARGV[8]), tonumber(ARGV[9])
local max, windowMs = tonumber(ARGV[10]), tonumber(ARGV[11])
local origin, freshAcr, freshAmr = ARGV[12], ARGV[13], ARGV[14]

local record, fields = readRecord(session)
if not record or not record.generation or isOfOtherOrigin(record, origin) then return { now, 'unknown', false } end
if elapsed(tonumber(record.lastUsedAtMs)) >= idleTimeoutMs then return { now, 'expired', fields } end

local count, untilMs
if max > 0 then
  count, untilMs = countRefresh(record, max, windowMs)
  if count > max then
    -- Whoever goes on over the limit is not to fill the append-only file.
    if record.refreshes ~= int(count) then redis.call('HSET', session, 'refreshes', int(count), 'refreshesUntilMs', int(untilMs)) end
    return { now, 'limited', fields, int(count), int(untilMs - now) }
  end
end

local family = decodeFamily(record)
local outcome = rotate(family, generation, windows)
if outcome == 'reused' or outcome == 'expired' then
  removeRecord(sid, record.subjectKey)
  revokeSid(sid, maxTokenAgeMs)
  return { now, outcome, fields }
end

local changes = encodeFamily(family)
changes[#changes + 1] = 'lastUsedAtMs'
changes[#changes + 1] = int(math.max(now, tonumber(record.lastUsedAtMs)))
if freshAcr then
  for _, change in ipairs({ 'authTimeMs', int(now), 'acr', freshAcr, 'amr', freshAmr }) do changes[#changes + 1] = change end
end
if count then
  for _, change in ipairs({ 'refreshes', int(count), 'refreshesUntilMs', int(untilMs) }) do changes[#changes + 1] = change end
end
redis.call('HSET', session, unpack(changes))
for _, change in ipairs(changes) do fields[#fields + 1] = change end
return { now, outcome, fields, count and int(count), count and int(untilMs - now) }
