SELECT time_ns FROM feedback ORDER BY time_ns LIMIT 1 OFFSET :at
