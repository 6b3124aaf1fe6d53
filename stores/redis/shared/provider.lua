-- An index of a session at an identity provider has the sids of its sessions here, by their expiry. A session may be in several.
local function addToProvider(index, sid, expiresAtMs)
  local over = redis.call('ZRANGEBYSCORE', index, '-inf', int(now), 'LIMIT', 0, 20)
  if #over > 0 then redis.call('ZREM', index, unpack(over)) end
  redis.call('ZADD', index, int(expiresAtMs), sid)
  keepUntil(index, expiresAtMs)
end
