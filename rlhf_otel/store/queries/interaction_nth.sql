SELECT start_ns FROM interaction WHERE 1 = 1
    AND id NOT IN (SELECT id FROM rated_interaction WHERE id IS NOT NULL)  -- if unrated
ORDER BY start_ns LIMIT 1 OFFSET :at
