SELECT id, resource, NULL, NULL FROM span
WHERE id > ?  -- if after
WHERE id = ?  -- if one
