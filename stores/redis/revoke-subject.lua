#!lua flags=allow-oom
-- include clock
-- include record
-- include log
-- include cut
local subject, index = KEYS[4], KEYS[5]
local subjectKey, exceptSid, keepForMs = ARGV[4], ARGV[5], tonumber(ARGV[6])
local belowEpoch, spared = cutSubject(subject, index, subjectKey, exceptSid, keepForMs)
return { now, belowEpoch, spared, now + keepForMs }
