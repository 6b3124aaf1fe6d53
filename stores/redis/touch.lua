#!lua flags=allow-oom
-- include clock
-- include record
local idleTimeoutMs = tonumber(ARGV[4])
for i = 4, #KEYS do
  local usedAtMs = now - tonumber(ARGV[i + 1])
  local known = readFields(KEYS[i], 'expiresAtMs', 'epoch', 'lastUsedAtMs')
  if isLive(known[1], known[2]) then
    local sinceMs = usedAtMs - (tonumber(known[3]) or usedAtMs)
    if sinceMs > 0 and sinceMs < idleTimeoutMs then redis.call('HSET', KEYS[i], 'lastUsedAtMs', int(usedAtMs)) end
  end
end
return { now }
