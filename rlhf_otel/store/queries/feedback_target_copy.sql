CREATE TEMP TABLE target_copy AS SELECT kind, key, hash, seq, trace_id, turn FROM feedback_target ORDER BY kind, key, seq
