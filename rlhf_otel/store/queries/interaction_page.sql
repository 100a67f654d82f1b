-- One page, from after the last row of the page before. Lines that end in "-- if NAME" stand only where NAME is given.
-- Settings are few: which of them match is worked out once, not for every row.
-- Where few calls are rated, those are at hand; where many are, one is soon met on a walk through all, by their start.
WITH fitting AS (                                                                -- if by_setting
    SELECT id FROM setting WHERE 1 = 1                                           -- if by_setting
        AND :model IN (request_model, response_model)                            -- if model
        AND provider = :provider                                                 -- if provider
        AND service = :service                                                   -- if service
        AND status = :status                                                     -- if status
)                                                                                -- if by_setting
SELECT i.*, s.*, i.id AS id
FROM interaction AS i                                                            -- if from_all
FROM rated_interaction AS r CROSS JOIN interaction AS i ON i.id = r.id           -- if from_rated
CROSS JOIN setting AS s ON s.id = i.setting
WHERE 1 = 1
    AND (i.start_ns, i.id) < (:last_ns, :last_id)                                -- if before_last
    AND (i.start_ns, i.id) > (:last_ns, :last_id)                                -- if after_last
    AND i.start_ns >= :since_ns                                                  -- if since_ns
    AND i.start_ns < :until_ns                                                   -- if until_ns
    AND substr(i.trace_id, 1, 5) IS substr(:trace_id, 1, 5) AND i.trace_id = :trace_id -- if trace_id
    AND i.session_hash = :session_hash AND i.session = :session                  -- if session
    AND (i.user = :user OR i.anonymous_user = :user)                             -- if user
    AND i.setting IN fitting                                                     -- if by_setting
    AND (                                                                        -- if has_feedback
        EXISTS (SELECT 1 FROM feedback_target WHERE kind = 0 AND key = i.span_id)        -- if has_feedback
        OR EXISTS (SELECT 1 FROM feedback_target WHERE kind = 1 AND key = i.response_id) -- if has_feedback
        OR EXISTS (SELECT 1 FROM feedback_target WHERE kind = 2 AND key = i.message_id)  -- if has_feedback
        OR EXISTS (SELECT 1 FROM feedback_target WHERE kind IN (3, 4) AND key = i.session) -- if has_feedback
        OR EXISTS (SELECT 1 FROM feedback_target WHERE kind = 5 AND key = i.trace_id)    -- if has_feedback
    )                                                                            -- if has_feedback
ORDER BY i.start_ns DESC, i.id DESC                                              -- if newest_first
ORDER BY i.start_ns, i.id                                                        -- if oldest_first
LIMIT :page                                                                      -- if any_setting
LIMIT :page * EXISTS (SELECT 1 FROM fitting)                                     -- if by_setting
