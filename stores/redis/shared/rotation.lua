-- lib/session/rotation.ts in Lua, function by function; test/stores/rotation-traces.test.ts compares the two.
local maxClosed = 8
local maxLostGenerations = 3

local function decodeFamily(record)
  local closed = {}
  for generation, closedAtMs in string.gmatch(record.closed, '(%d+):(%d+)') do
    closed[#closed + 1] = { tonumber(generation), tonumber(closedAtMs) }
  end
  -- Records from before this field have no value; '0' means none too.
  local stepUp = tonumber(record.stepUp) or 0
  return {
    generation = tonumber(record.generation),
    received = record.received == '1',
    rotatedAtMs = tonumber(record.rotatedAtMs),
    holdUntilMs = tonumber(record.holdUntilMs),
    closed = closed,
    stepUp = stepUp > 0 and {
      generation = stepUp,
      prior = { authTimeMs = tonumber(record.priorAuthTimeMs), acr = record.priorAcr, amr = record.priorAmr }
    } or nil
  }
end

local function encodeFamily(family)
  local closed = {}
  for i, entry in ipairs(family.closed) do closed[i] = int(entry[1]) .. ':' .. int(entry[2]) end
  local fields = {
    'generation', int(family.generation),
    'received', family.received and '1' or '0',
    'rotatedAtMs', int(family.rotatedAtMs),
    'holdUntilMs', int(family.holdUntilMs),
    'closed', table.concat(closed, ','),
    'stepUp', family.stepUp and int(family.stepUp.generation) or '0'
  }
  if family.stepUp then
    local prior = family.stepUp.prior
    for _, field in ipairs({ 'priorAuthTimeMs', int(prior.authTimeMs), 'priorAcr', prior.acr, 'priorAmr', prior.amr }) do fields[#fields + 1] = field end
  end
  return fields
end

-- Clocks may step back; a negative difference counts as zero.
local function elapsed(sinceMs)
  return math.max(0, now - sinceMs)
end

local function forgetStepUp(family)
  if not family.stepUp then return end
  local generation = family.stepUp.generation
  local isAnswered = not family.received and family.generation == generation
  for _, entry in ipairs(family.closed) do
    if entry[1] < generation then isAnswered = true end
  end
  if not isAnswered then family.stepUp = nil end
end

local function prune(family, windows)
  local open = {}
  for _, entry in ipairs(family.closed) do
    if windows.overlapMs > 0 and elapsed(entry[2]) <= windows.overlapMs then open[#open + 1] = entry end
  end
  family.closed = open
  forgetStepUp(family)
end

local function receive(family, generation, windows)
  if generation ~= family.generation or family.received then return false end
  prune(family, windows)
  family.received = true
  if windows.overlapMs > 0 and generation > 1 then family.closed[#family.closed + 1] = { generation - 1, now } end
  forgetStepUp(family)
  return true
end

local function withFresh(authentication, fresh)
  return fresh and strengthen(authentication, fresh) or authentication
end

-- The following functions return the outcome, the new authentication of the record, and the authentication that the answer may
-- show.
local function issue(outcome, family, presented)
  local authentication, fresh = presented.authentication, presented.fresh
  family.generation = presented.generation + 1
  family.received = false
  family.rotatedAtMs = now
  if not fresh then return outcome, authentication, authentication end
  local strengthened = strengthen(authentication, fresh)
  family.stepUp = { generation = family.generation, prior = family.stepUp and family.stepUp.prior or authentication }
  return outcome, strengthened, strengthened
end

local function presentNewest(family, presented, windows)
  receive(family, family.generation, windows)
  prune(family, windows)
  if now >= family.holdUntilMs and #family.closed < maxClosed then return issue('rotated', family, presented) end
  return 'held', presented.authentication, withFresh(presented.authentication, presented.fresh)
end

local function presentSuperseded(family, presented, windows)
  prune(family, windows)
  local generation, authentication = presented.generation, presented.authentication
  local isClosed = false
  for _, entry in ipairs(family.closed) do
    if entry[1] == generation then isClosed = true end
  end
  if not isClosed then
    if generation ~= family.generation - 1 or family.received or windows.retryWindowMs == 0 then return 'reused' end
    if elapsed(family.rotatedAtMs) > windows.retryWindowMs then return 'expired' end
  end
  local own = authentication
  if family.stepUp and generation < family.stepUp.generation then own = family.stepUp.prior end
  local granted = withFresh(own, presented.fresh)
  local isCovered = covers(granted, authentication)
  if not isCovered and isClosed then return 'held', authentication, granted end
  family.holdUntilMs = now + windows.overlapMs + 1
  if isCovered then return 'repeated', authentication, granted end
  family.stepUp = nil
  return 'repeated', own, granted
end

local function recover(family, generation, windows)
  prune(family, windows)
  local closed = family.closed
  local first = family.received and family.generation or family.generation - 1
  for lost = math.max(first, 1), generation - 1 do
    if windows.overlapMs > 0 then closed[#closed + 1] = { lost, now } end
  end
  while #closed >= maxClosed do table.remove(closed, 1) end
end

local function rotate(family, presented, windows)
  local generation = presented.generation
  if generation > family.generation + maxLostGenerations then return 'reused' end
  if generation > family.generation then
    recover(family, generation, windows)
    return issue('recovered', family, presented)
  end
  if generation == family.generation then return presentNewest(family, presented, windows) end
  return presentSuperseded(family, presented, windows)
end
