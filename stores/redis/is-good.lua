#!lua flags=allow-oom
-- include clock
-- include record
-- An absent claim is an empty text, and its key is one that lacks the requested field.
local session, subject, token, tokenOfAnyone = KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local sid, epoch, hasSession, hasToken = ARGV[4], ARGV[5], ARGV[6], ARGV[7]

if hasSession == '1' then
  local known = readFields(session, 'expiresAtMs', 'epoch')
  if not isLive(known[1], known[2]) then return { now, 0 } end
end
if epoch ~= '' then
  local known = redis.call('HMGET', subject, 'epoch', 'except')
  local isExcepted = sid ~= '' and known[2] == sid
  if tonumber(epoch) < floor then return { now, 0 } end
  if tonumber(epoch) < number(known[1]) and not isExcepted then return { now, 0 } end
end
if hasToken == '1' then
  for _, untilMs in ipairs(redis.call('MGET', token, tokenOfAnyone)) do
    if number(untilMs) > now then return { now, 0 } end
  end
end
return { now, 1 }
