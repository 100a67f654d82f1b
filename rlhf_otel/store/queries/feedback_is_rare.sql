-- Whether there are fewer ids of rated calls than :many; counts no further.
SELECT count(*) < :many FROM (SELECT 1 FROM feedback_target LIMIT :many)
