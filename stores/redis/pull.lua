#!lua flags=allow-oom
-- include clock
local log, beat, position, count = KEYS[2], KEYS[4], ARGV[4], tonumber(ARGV[5])
-- The write proves that this is the primary: a demoted primary, or one cut off from its replicas, refuses it.
redis.call('SET', beat, int(now), 'PX', 60000)

local function sequence(id)
  return tonumber(string.match(id, '^%d+'))
end

-- The log is connected when the entry at the position still exists, or was trimmed and the log begins with the next one.
local isConnected = #redis.call('XRANGE', log, position, position) == 1
if not isConnected then
  local first = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  if first then isConnected = sequence(first[1]) == sequence(position) + 1 else isConnected = position == '0-0' end
end
if not isConnected then return { now, 0, {} } end
return { now, 1, redis.call('XRANGE', log, '(' .. position, '+', 'COUNT', count) }
