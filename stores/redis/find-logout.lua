#!lua flags=allow-oom
-- include clock
local name, beat, beganAtMs, longestMs = KEYS[4], KEYS[5], tonumber(ARGV[4]), tonumber(ARGV[5])
-- As in pull.lua, the write proves that this is the primary, which has every logout.
redis.call('SET', beat, int(now), 'PX', 60000)
if number(redis.call('GET', name)) > now then return { now, 'logged-out' } end
-- A logout during the sign-in may be forgotten by now.
if now - beganAtMs >= longestMs then return { now, 'cut' } end
return { now, '' }
