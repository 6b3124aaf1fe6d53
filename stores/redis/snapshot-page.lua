#!lua flags=no-writes
-- include clock
-- The reply is one page of the revocations in force as one text: a client receives one long text faster than thousands of short
-- ones.
local page = redis.call('ZRANGE', KEYS[3], ARGV[4], ARGV[5], 'BYSCORE', 'REV', 'LIMIT', 0, tonumber(ARGV[6]), 'WITHSCORES')
return { now, table.concat(page, '\n') }
