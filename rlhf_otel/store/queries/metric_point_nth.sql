SELECT time_ns FROM metric_point WHERE 1 = 1
ORDER BY time_ns LIMIT 1 OFFSET :at
