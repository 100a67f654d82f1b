SELECT f.seq, f.body
FROM feedback_target AS t
JOIN feedback AS f ON f.seq = t.seq
WHERE t.kind = ? AND t.key = ?
