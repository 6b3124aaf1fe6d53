#!lua
-- include clock
-- include record
-- include log
-- include authentication
-- include provider
-- As in open-from-provider.lua, find-logout.lua follows.
local session, sid, secretHash, fresh = KEYS[4], ARGV[4], ARGV[5], { acr = ARGV[6], amr = ARGV[7] }
local authTimeMs, beganAtMs, longestMs = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local subject, provider = ARGV[11], ARGV[12]
local record = readRecord(session)
if not record or record.mode ~= 'session' or not record.provider or record.subject ~= subject then return { now, 'gone' } end
if now - beganAtMs >= longestMs then return { now, 'gone' } end
local known = { authTimeMs = tonumber(record.authTimeMs), acr = record.acr, amr = record.amr }
local authentication = strengthenAtProvider(known, fresh, math.min(authTimeMs, now))
redis.call('HSET', session, 'secretHash', secretHash, 'provider', provider,
  'authTimeMs', int(authentication.authTimeMs), 'acr', authentication.acr, 'amr', authentication.amr)
if KEYS[5] then addToProvider(KEYS[5], sid, tonumber(record.expiresAtMs)) end
append(cjson.encode({ 'changed', sid }), 0)
return { now, 'renewed', redis.call('HGETALL', session) }
