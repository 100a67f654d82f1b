INSERT INTO interaction (
    trace_id, span_id, parent_span_id, start_ns, end_ns, name, operation, provider, request_model, response_model,
    response_id, service, session, user, anonymous_user, message_id, variant, consent, status, error_type, stream,
    stream_end, stream_chunks, stream_max_gap_s, time_to_first_chunk_s, time_to_first_token_s,
    time_to_first_reasoning_s, input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens,
    usage_estimated, retries, resource, content, rest
) VALUES (
    :trace_id, :span_id, :parent_span_id, :start_ns, :end_ns, :name, :operation, :provider, :request_model, :response_model,
    :response_id, :service, :session, :user, :anonymous_user, :message_id, :variant, :consent, :status, :error_type, :stream,
    :stream_end, :stream_chunks, :stream_max_gap_s, :time_to_first_chunk_s, :time_to_first_token_s,
    :time_to_first_reasoning_s, :input_tokens, :output_tokens, :cached_tokens, :cache_write_tokens, :reasoning_tokens,
    :usage_estimated, :retries, :resource, :content, :rest
)
