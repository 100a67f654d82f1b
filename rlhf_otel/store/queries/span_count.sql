SELECT count(*) FROM span WHERE 1 = 1
