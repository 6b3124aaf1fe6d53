#!lua flags=allow-oom
-- include clock
-- include log
local key, issuer, jti, expiresAtMs = KEYS[4], ARGV[4], ARGV[5], tonumber(ARGV[6])
if expiresAtMs > now and expiresAtMs > number(redis.call('GET', key)) then
  redis.call('SET', key, int(expiresAtMs))
  expireAt(key, expiresAtMs)
  revoke(cjson.encode({ 'jti', issuer, jti }), expiresAtMs)
end
return { now }
