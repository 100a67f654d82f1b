SELECT time_ns FROM log WHERE 1 = 1
ORDER BY time_ns LIMIT 1 OFFSET :at
