#!lua flags=allow-oom
-- include clock
return { now, redis.call('HMGET', KEYS[4], 'version', 'text') }
