SELECT coalesce(max(id), 0) FROM metric_point
