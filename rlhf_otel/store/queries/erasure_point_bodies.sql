SELECT id, hash, resource, body FROM metric_point
