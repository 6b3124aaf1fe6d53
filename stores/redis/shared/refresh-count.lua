-- lib/session/refresh-count.ts in Lua; the contract of the stores compares the two.
local function countRefresh(record, max, windowMs)
  local count, endsAtMs = tonumber(record.refreshes) or 0, tonumber(record.refreshesUntilMs) or 0
  if now >= endsAtMs or endsAtMs - now > windowMs then return 1, now + windowMs end
  return math.min(count, max + 1) + 1, endsAtMs
end
