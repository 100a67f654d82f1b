SELECT id, span_id, resource, body FROM span
