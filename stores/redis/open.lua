#!lua
-- include clock
-- include record
-- include log
local session, subject, index = KEYS[4], KEYS[5], KEYS[6]
local sid, absoluteTimeoutMs, maxPerSubject, maxTokenAgeMs = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local epoch = math.max(number(redis.call('HGET', subject, 'epoch')), floor)
local expiresAtMs = now + absoluteTimeoutMs

local others = {}
for _, other in ipairs(redis.call('ZRANGE', index, 0, -1)) do
  local known = readFields(prefix .. 'session:' .. other, 'expiresAtMs', 'epoch')
  if isLive(known[1], known[2]) then others[#others + 1] = other else redis.call('ZREM', index, other) end
end

local closed = {}
for i = 1, #others - maxPerSubject + 1 do
  closed[i] = others[i]
  redis.call('DEL', prefix .. 'session:' .. closed[i])
  redis.call('ZREM', index, closed[i])
  revokeSid(closed[i], maxTokenAgeMs)
end

redis.call('HSET', session, 'sid', sid, 'epoch', int(epoch), 'createdAtMs', int(now), 'authTimeMs', int(now),
  'lastUsedAtMs', int(now), 'expiresAtMs', int(expiresAtMs), unpack(ARGV, 8))
if redis.call('HGET', session, 'mode') == 'tokens' then
  redis.call('HSET', session, 'generation', '1', 'received', '0', 'rotatedAtMs', int(now), 'holdUntilMs', '0', 'closed', '', 'stepUp', '0')
end
expireAt(session, expiresAtMs)
redis.call('ZADD', index, int(now), sid)
keepUntil(index, expiresAtMs)
keepUntil(subject, expiresAtMs)
return { now, redis.call('HGETALL', session), closed }
