SELECT id, hash, trace_id, span_id, resource, content, body FROM log
