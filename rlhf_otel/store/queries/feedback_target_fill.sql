INSERT INTO feedback_target (kind, key, hash, seq, trace_id, turn)
SELECT kind, key, hash, seq, trace_id, turn FROM temp.target_copy
