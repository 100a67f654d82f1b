SELECT id, resource, NULL, NULL FROM metric_point
WHERE id > ?  -- if after
WHERE id = ?  -- if one
