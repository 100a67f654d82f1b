SELECT content
FROM log
WHERE span_id = :span_id AND span_id <> x'' AND trace_id IN (:trace_id, x'') AND content IS NOT NULL
ORDER BY time_ns, id
