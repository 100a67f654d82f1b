SELECT id, kind, hash, feedback_only, laid_ns, refused,
    (SELECT count(*) FROM erased WHERE tombstone = tombstone.id) AS ids
FROM tombstone
ORDER BY laid_ns, id
