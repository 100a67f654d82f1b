SELECT id, content FROM interaction WHERE span_id = :span_id AND trace_id = :trace_id
