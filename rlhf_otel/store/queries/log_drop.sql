DELETE FROM log WHERE id IN (
    SELECT id FROM log
    WHERE time_ns < :before
    ORDER BY time_ns
    LIMIT :chunk
)
