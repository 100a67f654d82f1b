SELECT count(*) FROM metric_point WHERE 1 = 1
