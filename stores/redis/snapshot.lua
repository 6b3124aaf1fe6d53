#!lua flags=allow-oom
-- include clock
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
return { now, last and last[1] or '0-0', now }
