SELECT t.id, t.feedback_only, t.laid_ns, e.may_return
FROM erased AS e
JOIN tombstone AS t ON t.id = e.tombstone
WHERE e.hash = ?
