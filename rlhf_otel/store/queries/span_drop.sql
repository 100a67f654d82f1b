DELETE FROM span WHERE id IN (
    SELECT id FROM span
    WHERE start_ns < :before
    ORDER BY start_ns
    LIMIT :chunk
)
