#!lua flags=allow-oom
-- include clock
-- include record
-- include log
-- The records stay until they expire, absent for everybody below the floor: one write, however many sessions there are.
local atLeast, keepForMs = tonumber(ARGV[4]), tonumber(ARGV[5])
-- With more than one shard the highest floor of a first round is given to all in a second.
if atLeast > 0 and floor == atLeast then return { now, floor, now + keepForMs } end
local maxEpoch = number(redis.call('HGET', KEYS[1], 'maxEpoch'))
floor = math.max(atLeast, maxEpoch + 1, floor + 1, math.floor(now / 1000) + 1)
redis.call('HSET', KEYS[1], 'floor', int(floor))
revoke(cjson.encode({ 'all', floor }), now + keepForMs)
return { now, floor, now + keepForMs }
