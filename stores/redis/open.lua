#!lua
-- include clock
-- include record
-- include log
-- include opening
local names = { session = KEYS[4], subject = KEYS[5], index = KEYS[6] }
local limits = { absoluteTimeoutMs = tonumber(ARGV[5]), maxPerSubject = tonumber(ARGV[6]), maxTokenAgeMs = tonumber(ARGV[7]) }
local _, closed = openRecord(names, ARGV[4], limits, now, 8)
return { now, redis.call('HGETALL', names.session), closed }
