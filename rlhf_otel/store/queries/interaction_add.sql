-- In the order of INTERACTION_COLUMNS in rows.py.
INSERT INTO interaction (
    trace_id, span_id, parent_span_id, start_ns, end_ns, setting, response_id, response_hash, session, session_hash,
    user, anonymous_user, message_id, stream_chunks, stream_max_gap_s, time_to_first_chunk_s, time_to_first_token_s,
    time_to_first_reasoning_s, input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens,
    retries, content, rest
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
