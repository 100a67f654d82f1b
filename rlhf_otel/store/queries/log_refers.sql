SELECT id, resource, NULL, content FROM log
WHERE id > ?  -- if after
WHERE id = ?  -- if one
