#!lua flags=allow-oom
-- include clock
-- include record
local _, fields = readRecord(KEYS[4])
return { now, fields }
