#!lua flags=allow-oom
-- include clock
-- include log
local name, tokenKey, expiresAtMs = KEYS[4], ARGV[4], tonumber(ARGV[5])
if expiresAtMs > now and expiresAtMs > number(redis.call('GET', name)) then
  redis.call('SET', name, int(expiresAtMs))
  expireAt(name, expiresAtMs)
  revoke(cjson.encode({ 'jti', tokenKey }), expiresAtMs)
end
return { now }
