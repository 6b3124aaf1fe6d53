#!lua flags=allow-oom
-- include clock
-- include record
-- include log
-- The records stay until they expire, and reads treat those below the floor as absent: one write suffices for any number of
-- sessions.
local atLeast, keepForMs = tonumber(ARGV[4]), tonumber(ARGV[5])
-- A second round sets the highest floor of the first round in every shard; a shard that has it already changes nothing.
if atLeast > 0 and floor == atLeast then return { now, floor, now + keepForMs } end
local maxEpoch = number(redis.call('HGET', KEYS[1], 'maxEpoch'))
floor = math.max(atLeast, maxEpoch + 1, floor + 1, math.floor(now / 1000) + 1)
redis.call('HSET', KEYS[1], 'floor', int(floor), 'cutEpoch', int(floor), 'cutAtMs', int(now))
revoke(cjson.encode({ 'all', floor }), now + keepForMs)
return { now, floor, now + keepForMs }
