-- Feedback may be about a whole trace, as imports have it: kind 5. It counts on the newest call of the trace that had
-- begun when it was given, else on the newest.
DROP VIEW pending_feedback;
DROP VIEW rated_interaction;

-- Feedback that finds no interaction by any of its ids. A retraction is about a feedback and waits for none.
CREATE VIEW pending_feedback AS
SELECT f.seq, f.time_ns, f.body
FROM feedback AS f
WHERE f.kind <> 'retraction' AND NOT EXISTS (
    SELECT 1
    FROM feedback_target AS t
    WHERE t.seq = f.seq AND (
        t.kind = 0 AND EXISTS (
            SELECT 1 FROM interaction AS i
            WHERE i.span_id = t.key AND (t.trace_id IS NULL OR i.trace_id IN (t.trace_id, x'', zeroblob(16)))
        )
        OR t.kind = 1 AND EXISTS (
            SELECT 1 FROM interaction AS i WHERE i.response_hash = t.hash AND i.response_id = t.key
        )
        OR t.kind = 2 AND EXISTS (SELECT 1 FROM interaction AS i WHERE i.message_id = t.key)
        OR t.kind = 3 AND EXISTS (
            SELECT 1 FROM interaction AS i WHERE i.session_hash = t.hash AND i.session = t.key
        )
        OR t.kind = 4 AND t.turn < (
            SELECT count(*) FROM interaction AS i CROSS JOIN setting AS s ON s.id = i.setting
            WHERE i.session_hash = t.hash AND i.session = t.key
                AND s.operation IN ('chat', 'text_completion', 'generate_content') AND s.status IS NOT 'error'
        )
        OR t.kind = 5 AND EXISTS (
            SELECT 1 FROM interaction AS i
            WHERE substr(i.trace_id, 1, 5) IS substr(t.key, 1, 5) AND i.trace_id = t.key
        )
    )
);

-- Every interaction on which feedback may count: those with a span that it names, and the one that each weaker id
-- stands for, chosen as in `interaction_of_key`; for a turn, all of its session. It may count on fewer: a stronger id
-- wins, a turn is one of them, and feedback is retracted.
CREATE VIEW rated_interaction AS
SELECT i.id
FROM feedback_target AS t
CROSS JOIN interaction AS i ON i.span_id = t.key
WHERE t.kind = 0
UNION
SELECT coalesce((
    SELECT i.id FROM interaction AS i
    WHERE i.response_hash = t.hash AND i.response_id = t.key AND i.start_ns <= f.time_ns
    ORDER BY i.start_ns DESC, i.id DESC LIMIT 1
), (
    SELECT i.id FROM interaction AS i
    WHERE i.response_hash = t.hash AND i.response_id = t.key
    ORDER BY i.start_ns DESC, i.id DESC LIMIT 1
))
FROM feedback_target AS t
CROSS JOIN feedback AS f ON f.seq = t.seq
WHERE t.kind = 1
UNION
SELECT coalesce((
    SELECT i.id FROM interaction AS i
    WHERE i.message_id = t.key AND i.start_ns <= f.time_ns
    ORDER BY i.start_ns DESC, i.id DESC LIMIT 1
), (
    SELECT i.id FROM interaction AS i
    WHERE i.message_id = t.key
    ORDER BY i.start_ns DESC, i.id DESC LIMIT 1
))
FROM feedback_target AS t
CROSS JOIN feedback AS f ON f.seq = t.seq
WHERE t.kind = 2
UNION
SELECT coalesce((
    SELECT i.id FROM interaction AS i
    WHERE i.session_hash = t.hash AND i.session = t.key AND i.start_ns <= f.time_ns
    ORDER BY i.start_ns DESC, i.id DESC LIMIT 1
), (
    SELECT i.id FROM interaction AS i
    WHERE i.session_hash = t.hash AND i.session = t.key
    ORDER BY i.start_ns DESC, i.id DESC LIMIT 1
))
FROM feedback_target AS t
CROSS JOIN feedback AS f ON f.seq = t.seq
WHERE t.kind = 3
UNION
SELECT i.id
FROM feedback_target AS t
CROSS JOIN interaction AS i ON i.session_hash = t.hash AND i.session = t.key
WHERE t.kind = 4
UNION
SELECT coalesce((
    SELECT i.id FROM interaction AS i
    WHERE substr(i.trace_id, 1, 5) IS substr(t.key, 1, 5) AND i.trace_id = t.key AND i.start_ns <= f.time_ns
    ORDER BY i.start_ns DESC, i.id DESC LIMIT 1
), (
    SELECT i.id FROM interaction AS i
    WHERE substr(i.trace_id, 1, 5) IS substr(t.key, 1, 5) AND i.trace_id = t.key
    ORDER BY i.start_ns DESC, i.id DESC LIMIT 1
))
FROM feedback_target AS t
CROSS JOIN feedback AS f ON f.seq = t.seq
WHERE t.kind = 5;
