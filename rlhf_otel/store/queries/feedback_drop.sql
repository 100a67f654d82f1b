-- Oldest first. Orphaned: nothing is left that it is about, or that it takes back.
DELETE FROM feedback WHERE seq IN (
    SELECT f.seq FROM feedback AS f
    WHERE f.time_ns < :before
        AND (                                                                           -- if orphaned
            f.seq IN (SELECT seq FROM pending_feedback)                                 -- if orphaned
            OR f.kind = 'retraction' AND f.retracts NOT IN (SELECT id FROM feedback)    -- if orphaned
        )                                                                               -- if orphaned
    ORDER BY f.time_ns
    LIMIT :chunk
)
