#!lua flags=allow-oom
-- include clock
-- include record
local records = {}
for _, sid in ipairs(redis.call('ZREVRANGE', KEYS[4], 0, -1)) do
  local record, fields = readRecord(prefix .. 'session:' .. sid)
  if record then records[#records + 1] = fields end
end
return { now, records }
