SELECT count(*) FROM log WHERE 1 = 1
