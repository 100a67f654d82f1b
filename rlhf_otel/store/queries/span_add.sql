INSERT INTO span (trace_id, span_id, start_ns, resource, body)
VALUES (:trace_id, :span_id, :start_ns, :resource, :body)
ON CONFLICT DO NOTHING
