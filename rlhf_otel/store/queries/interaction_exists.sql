SELECT 1 FROM interaction WHERE trace_id = :trace_id AND span_id = :span_id
