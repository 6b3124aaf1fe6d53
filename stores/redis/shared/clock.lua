-- The server's clock decides, so gateways with wrong clocks agree. Tests move it by ARGV[1].
local offset = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + offset

-- Lua writes numbers of more than 14 digits with an exponent, which Redis refuses as an integer.
local function int(number)
  return string.format('%.0f', number)
end

local function number(text)
  return tonumber(text or 0)
end

local function expireAt(key, atMs)
  redis.call('PEXPIREAT', key, int(atMs - offset))
end

local function keepUntil(key, atMs)
  if redis.call('PEXPIRETIME', key) < atMs - offset then expireAt(key, atMs) end
end
