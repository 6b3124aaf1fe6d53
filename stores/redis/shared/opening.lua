-- Makes the record of a new session from the fields that begin at ARGV[first], and closes the oldest sessions of the subject above the
-- limit.
local function openRecord(names, sid, limits, authTimeMs, first)
  local epoch = math.max(number(redis.call('HGET', names.subject, 'epoch')), floor)
  local expiresAtMs = now + limits.absoluteTimeoutMs

  local others = {}
  for _, other in ipairs(redis.call('ZRANGE', names.index, 0, -1)) do
    local known = readFields(prefix .. 'session:' .. other, 'expiresAtMs', 'epoch')
    if isLive(known[1], known[2]) then others[#others + 1] = other else redis.call('ZREM', names.index, other) end
  end

  local closed = {}
  for i = 1, #others - limits.maxPerSubject + 1 do
    closed[i] = others[i]
    redis.call('DEL', prefix .. 'session:' .. closed[i])
    redis.call('ZREM', names.index, closed[i])
    revokeSid(closed[i], limits.maxTokenAgeMs)
  end

  redis.call('HSET', names.session, 'sid', sid, 'epoch', int(epoch), 'createdAtMs', int(now), 'authTimeMs', int(authTimeMs),
    'lastUsedAtMs', int(now), 'expiresAtMs', int(expiresAtMs), unpack(ARGV, first))
  if redis.call('HGET', names.session, 'mode') == 'tokens' then
    redis.call('HSET', names.session, 'generation', '1', 'received', '0', 'rotatedAtMs', int(now), 'holdUntilMs', '0', 'closed', '', 'stepUp', '0')
  end
  expireAt(names.session, expiresAtMs)
  redis.call('ZADD', names.index, int(now), sid)
  keepUntil(names.index, expiresAtMs)
  keepUntil(names.subject, expiresAtMs)
  return expiresAtMs, closed
end
