-- The interactions with this span id, whatever their trace where one of the two is unknown.
SELECT trace_id, span_id
FROM interaction
WHERE span_id = :key AND (:trace_id IS NULL OR trace_id IN (:trace_id, x'', zeroblob(16)))
