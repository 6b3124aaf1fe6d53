-- Consecutive numbers show a reader what was trimmed; the random part distinguishes two histories with equal numbers.
local function append(entry, untilMs)
  local id = int(redis.call('HINCRBY', KEYS[1], 'seq', 1)) .. '-' .. ARGV[2]
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', 100000, id, 'entry', entry, 'until', int(untilMs))
end

local function revoke(entry, untilMs)
  -- The number is bounded and higher than the number of additions, so the index shrinks to the revocations in force without
  -- blocking the server.
  local over = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', int(now), 'LIMIT', 0, 20)
  if #over > 0 then redis.call('ZREM', KEYS[3], unpack(over)) end
  redis.call('ZADD', KEYS[3], 'GT', int(untilMs), entry)
  append(entry, untilMs)
end

local function revokeSid(sid, maxTokenAgeMs)
  revoke(cjson.encode({ 'sid', sid }), now + maxTokenAgeMs)
end
