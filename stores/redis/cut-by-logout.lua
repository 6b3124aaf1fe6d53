#!lua flags=allow-oom
-- include clock
-- include record
-- include log
-- include cut
local subject, index, logout = KEYS[4], KEYS[5], KEYS[6]
local subjectKey, keepForMs, keepJtiForMs = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
if number(redis.call('GET', logout)) > now then return { now, 'repeated' } end
local belowEpoch, spared, ended = cutSubject(subject, index, subjectKey, '', keepForMs)
redis.call('SET', logout, int(now + keepJtiForMs))
expireAt(logout, now + keepJtiForMs)
return { now, 'ended', belowEpoch, spared, now + keepForMs, ended }
