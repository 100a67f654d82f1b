DELETE FROM log WHERE id IN (
    SELECT id FROM log
    WHERE time_ns < :before AND event_name <> 'rlhf.consent'
    ORDER BY time_ns
    LIMIT :chunk
)
