#!lua flags=no-writes
-- include clock
-- A page of the revocations in force as one text: to receive thousands of short ones costs whoever asks more than to take one apart.
local page = redis.call('ZRANGE', KEYS[3], ARGV[4], ARGV[5], 'BYSCORE', 'REV', 'LIMIT', 0, tonumber(ARGV[6]), 'WITHSCORES')
return { now, table.concat(page, '\n') }
