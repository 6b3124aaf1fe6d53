-- Numbers without holes tell a reader what was trimmed; the random part tells two histories with the same numbers apart.
local function append(entry, untilMs)
  local id = int(redis.call('HINCRBY', KEYS[1], 'seq', 1)) .. '-' .. ARGV[2]
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', 100000, id, 'entry', entry, 'until', int(untilMs))
end

local function revoke(entry, untilMs)
  -- A bounded number, more than are added: the index shrinks to what is in force without ever blocking the server.
  local over = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', int(now), 'LIMIT', 0, 20)
  if #over > 0 then redis.call('ZREM', KEYS[3], unpack(over)) end
  redis.call('ZADD', KEYS[3], 'GT', int(untilMs), entry)
  append(entry, untilMs)
end

local function revokeSid(sid, maxTokenAgeMs)
  revoke(cjson.encode({ 'sid', sid }), now + maxTokenAgeMs)
end
