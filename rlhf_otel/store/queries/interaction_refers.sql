SELECT id, NULL, setting, content FROM interaction
WHERE id > ?  -- if after
WHERE id = ?  -- if one
