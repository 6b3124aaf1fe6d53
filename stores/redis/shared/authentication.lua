-- lib/session/authentication.ts in Lua, function by function; test/stores/rotation-traces.test.ts and the contract compare the two.
-- An authentication is { authTimeMs, acr, amr }, with the methods as the JSON text of the record.
local maxMethods = 16

local function isNumeric(acr)
  return #acr <= 15 and string.find(acr, '^%d+$') ~= nil
end

local function isAtLeast(acr, other)
  return isNumeric(acr) and isNumeric(other) and tonumber(acr) >= tonumber(other)
end

-- The encoder cjson would write an empty list as an object.
local function encodeMethods(methods)
  local texts = {}
  for i, method in ipairs(methods) do texts[i] = cjson.encode(method) end
  return '[' .. table.concat(texts, ',') .. ']'
end

local function unite(known, fresh)
  local methods, seen = {}, {}
  local function add(list, bound)
    for _, method in ipairs(list) do
      if not seen[method] and #methods < bound then
        seen[method] = true
        methods[#methods + 1] = method
      end
    end
  end
  local first = cjson.decode(known)
  add(first, #first)
  add(cjson.decode(fresh), math.max(maxMethods, #first))
  return encodeMethods(methods)
end

local function strengthen(known, fresh, atMs)
  local isStronger = known.acr == '' or (isAtLeast(fresh.acr, known.acr) and not isAtLeast(known.acr, fresh.acr))
  return {
    authTimeMs = math.max(known.authTimeMs, atMs or now),
    acr = isStronger and fresh.acr or known.acr,
    amr = unite(known.amr, fresh.amr)
  }
end

local function strengthenAtProvider(known, fresh, authTimeMs)
  local authentication = strengthen(known, fresh, authTimeMs)
  local isComparable = isNumeric(known.acr) and isNumeric(fresh.acr)
  if not isComparable and fresh.acr ~= '' then authentication.acr = fresh.acr end
  return authentication
end

local function covers(authentication, other)
  if authentication.authTimeMs < other.authTimeMs then return false end
  if authentication.acr ~= other.acr and not isAtLeast(authentication.acr, other.acr) then return false end
  local has = {}
  for _, method in ipairs(cjson.decode(authentication.amr)) do has[method] = true end
  for _, method in ipairs(cjson.decode(other.amr)) do
    if not has[method] then return false end
  end
  return true
end
