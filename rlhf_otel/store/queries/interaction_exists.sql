SELECT 1 FROM interaction WHERE span_id = :span_id AND trace_id = :trace_id
