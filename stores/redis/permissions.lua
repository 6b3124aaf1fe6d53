#!lua flags=allow-oom
-- include clock
-- ARGV from 4 on: commands, each as how many words it has and the words. The answer names those that the user may not run.
local refused = {}
local at = 4
while at <= #ARGV do
  local words = {}
  for i = at + 1, at + tonumber(ARGV[at]) do words[#words + 1] = ARGV[i] end
  if not redis.acl_check_cmd(unpack(words)) then refused[#refused + 1] = words[1] end
  at = at + #words + 1
end
return { now, refused }
