#!lua flags=allow-oom
-- include clock
-- include log
local name, tokenKey, untilMs = KEYS[4], ARGV[4], now + tonumber(ARGV[5])
local knownMs = number(redis.call('GET', name))
if untilMs <= knownMs then return { now, int(knownMs) } end
redis.call('SET', name, int(untilMs))
expireAt(name, untilMs)
revoke(cjson.encode({ 'jti', tokenKey }), untilMs)
return { now, int(untilMs) }
