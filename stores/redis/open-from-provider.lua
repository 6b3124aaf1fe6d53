#!lua
-- include clock
-- include record
-- include log
-- include cut
-- include opening
-- include provider
-- The session is made before the logout of its provider is looked for, which is in another shard: find-logout.lua follows.
local names = { session = KEYS[4], subject = KEYS[5], index = KEYS[6] }
local sid = ARGV[4]
local limits = { absoluteTimeoutMs = tonumber(ARGV[5]), maxPerSubject = tonumber(ARGV[6]), maxTokenAgeMs = tonumber(ARGV[7]) }
local authTimeMs, beganAtMs, countsFromMs, longestMs = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
if now - beganAtMs >= longestMs or isCutSince(names.subject, beganAtMs, countsFromMs) then return { now, 'cut' } end
local expiresAtMs, closed = openRecord(names, sid, limits, math.min(authTimeMs, now), 12)
if KEYS[7] then addToProvider(KEYS[7], sid, expiresAtMs) end
return { now, 'opened', redis.call('HGETALL', names.session), closed }
