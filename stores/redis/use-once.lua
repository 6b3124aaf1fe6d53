#!lua
-- include clock
local name, expiresAtMs = KEYS[4], now + tonumber(ARGV[4])
if number(redis.call('GET', name)) > now then return { now, 0 } end
redis.call('SET', name, int(expiresAtMs))
expireAt(name, expiresAtMs)
return { now, 1 }
