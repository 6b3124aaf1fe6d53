#!lua flags=allow-oom
-- include clock
local fields, live = redis.call('HGETALL', KEYS[4]), {}
for i = 1, #fields, 2 do
  local atMs, untilMs, text = string.match(fields[i + 1], '^(%d+):(%d+):(.*)$')
  if number(untilMs) > now then live[#live + 1] = { fields[i], text, atMs } end
end
return { now, live }
