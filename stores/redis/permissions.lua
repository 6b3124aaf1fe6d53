#!lua flags=allow-oom
-- include clock
-- The arguments from the fourth on are commands, each as its number of words and the words. The reply names those that the user may
-- not run.
local refused = {}
local at = 4
while at <= #ARGV do
  local words = {}
  for i = at + 1, at + tonumber(ARGV[at]) do words[#words + 1] = ARGV[i] end
  if not redis.acl_check_cmd(unpack(words)) then refused[#refused + 1] = words[1] end
  at = at + #words + 1
end
return { now, refused }
