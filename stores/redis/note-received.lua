#!lua flags=allow-oom
-- include clock
-- include record
-- include authentication
-- include rotation
local record = readRecord(KEYS[4])
if record and record.generation then
  local family = decodeFamily(record)
  local windows = { overlapMs = tonumber(ARGV[5]), retryWindowMs = tonumber(ARGV[6]) }
  if receive(family, tonumber(ARGV[4]), windows) then redis.call('HSET', KEYS[4], unpack(encodeFamily(family))) end
end
return { now }
