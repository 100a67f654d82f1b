SELECT start_ns FROM span WHERE 1 = 1
ORDER BY start_ns LIMIT 1 OFFSET :at
