#!lua flags=allow-oom
-- include clock
-- include record
-- include log
-- include cut
local lastMs = lastCutMs(KEYS[4])
return { now, lastMs and int(lastMs) or '' }
