INSERT INTO feedback_target SELECT * FROM temp.target_copy
