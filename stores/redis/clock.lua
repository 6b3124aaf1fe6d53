#!lua flags=allow-oom
-- include clock
return { now }
