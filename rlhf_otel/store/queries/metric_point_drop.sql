DELETE FROM metric_point WHERE id IN (
    SELECT id FROM metric_point
    WHERE time_ns < :before
    ORDER BY time_ns
    LIMIT :chunk
)
