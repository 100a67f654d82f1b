CREATE TEMP TABLE target_copy AS SELECT * FROM feedback_target ORDER BY kind, key, seq
