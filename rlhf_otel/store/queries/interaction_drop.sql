DELETE FROM interaction WHERE id IN (
    SELECT id FROM interaction
    WHERE start_ns < :before
        AND id NOT IN (SELECT id FROM rated_interaction WHERE id IS NOT NULL)  -- if unrated
    ORDER BY start_ns
    LIMIT :chunk
)
