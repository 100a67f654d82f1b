INSERT INTO log (hash, trace_id, span_id, time_ns, event_name, resource, content, body)
VALUES (:hash, :trace_id, :span_id, :time_ns, :event_name, :resource, :content, :body)
ON CONFLICT DO NOTHING
