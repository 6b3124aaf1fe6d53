#!lua
-- include clock
-- A field is the name of a note, its value "atMs:expiresAtMs:text".
local notes, name, text, expiresAtMs, most = KEYS[4], ARGV[4], ARGV[5], now + tonumber(ARGV[6]), tonumber(ARGV[7])
local fields, others = redis.call('HGETALL', notes), {}
for i = 1, #fields, 2 do
  local atMs, untilMs = string.match(fields[i + 1], '^(%d+):(%d+):')
  if fields[i] ~= name and number(untilMs) > now then others[#others + 1] = { name = fields[i], value = fields[i + 1], atMs = number(atMs), untilMs = number(untilMs) } end
end
table.sort(others, function(a, b)
  if a.atMs ~= b.atMs then return a.atMs > b.atMs end
  return a.name > b.name
end)
local kept, lastMs = { name, int(now) .. ':' .. int(expiresAtMs) .. ':' .. text }, expiresAtMs
for i = 1, math.min(#others, most - 1) do
  kept[#kept + 1] = others[i].name
  kept[#kept + 1] = others[i].value
  lastMs = math.max(lastMs, others[i].untilMs)
end
redis.call('DEL', notes)
redis.call('HSET', notes, unpack(kept))
expireAt(notes, lastMs)
return { now }
