#!lua flags=allow-oom
-- include clock
-- include record
-- include log
-- The names from the fourth on are indexes of sessions at a provider. Of each, the next `most` sessions after the first `offset` end.
-- Sessions of another subject stay, unless the subject is an empty text.
local subjectKey, maxTokenAgeMs, offset, most = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local ended, kept, isMore = {}, 0, 0
for i = 4, #KEYS do
  local sids = redis.call('ZRANGE', KEYS[i], offset, offset + most - 1)
  if #sids == most then isMore = 1 end
  for _, sid in ipairs(sids) do
    local known = readFields(prefix .. 'session:' .. sid, 'expiresAtMs', 'epoch', 'subjectKey')
    local isOne = isLive(known[1], known[2])
    if isOne and subjectKey ~= '' and known[3] ~= subjectKey then
      kept = kept + 1
    else
      if isOne then
        removeRecord(sid, known[3])
        revokeSid(sid, maxTokenAgeMs)
        ended[#ended + 1] = sid
      end
      redis.call('ZREM', KEYS[i], sid)
    end
  end
end
return { now, ended, int(now + maxTokenAgeMs), kept, isMore }
