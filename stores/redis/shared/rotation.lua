-- lib/rotation.ts in Lua, function by function; test/stores/rotation-traces.test.ts holds the two together.
local maxClosed = 8
local maxLostGenerations = 3

local function decodeFamily(record)
  local closed = {}
  for generation, closedAtMs in string.gmatch(record.closed, '(%d+):(%d+)') do
    closed[#closed + 1] = { tonumber(generation), tonumber(closedAtMs) }
  end
  return {
    generation = tonumber(record.generation),
    received = record.received == '1',
    rotatedAtMs = tonumber(record.rotatedAtMs),
    holdUntilMs = tonumber(record.holdUntilMs),
    closed = closed
  }
end

local function encodeFamily(family)
  local closed = {}
  for i, entry in ipairs(family.closed) do closed[i] = int(entry[1]) .. ':' .. int(entry[2]) end
  return {
    'generation', int(family.generation),
    'received', family.received and '1' or '0',
    'rotatedAtMs', int(family.rotatedAtMs),
    'holdUntilMs', int(family.holdUntilMs),
    'closed', table.concat(closed, ',')
  }
end

-- Clocks step back; a difference below zero counts as zero.
local function elapsed(sinceMs)
  return math.max(0, now - sinceMs)
end

local function prune(family, windows)
  local open = {}
  for _, entry in ipairs(family.closed) do
    if windows.overlapMs > 0 and elapsed(entry[2]) <= windows.overlapMs then open[#open + 1] = entry end
  end
  family.closed = open
end

local function receive(family, generation, windows)
  if generation ~= family.generation or family.received then return false end
  prune(family, windows)
  family.received = true
  if windows.overlapMs > 0 and generation > 1 then family.closed[#family.closed + 1] = { generation - 1, now } end
  return true
end

local function presentNewest(family, windows)
  receive(family, family.generation, windows)
  prune(family, windows)
  if now < family.holdUntilMs or #family.closed >= maxClosed then return 'held' end
  family.generation = family.generation + 1
  family.received = false
  family.rotatedAtMs = now
  return 'rotated'
end

local function presentSuperseded(family, generation, windows)
  prune(family, windows)
  local isRepeated = false
  for _, entry in ipairs(family.closed) do
    if entry[1] == generation then isRepeated = true end
  end
  if not isRepeated then
    if generation ~= family.generation - 1 or family.received or windows.retryWindowMs == 0 then return 'reused' end
    if elapsed(family.rotatedAtMs) > windows.retryWindowMs then return 'expired' end
  end
  family.holdUntilMs = now + windows.overlapMs + 1
  return 'repeated'
end

local function recover(family, generation, windows)
  prune(family, windows)
  local closed = family.closed
  local first = family.received and family.generation or family.generation - 1
  for lost = math.max(first, 1), generation - 1 do
    if windows.overlapMs > 0 then closed[#closed + 1] = { lost, now } end
  end
  while #closed >= maxClosed do table.remove(closed, 1) end
  family.generation = generation + 1
  family.received = false
  family.rotatedAtMs = now
  return 'recovered'
end

local function rotate(family, generation, windows)
  if generation > family.generation + maxLostGenerations then return 'reused' end
  if generation > family.generation then return recover(family, generation, windows) end
  if generation == family.generation then return presentNewest(family, windows) end
  return presentSuperseded(family, generation, windows)
end
