DROP TABLE temp.target_copy
