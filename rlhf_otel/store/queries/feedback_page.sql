-- Lines that end in "-- if NAME" stand only where NAME is given.
SELECT seq, body
FROM feedback
WHERE 1 = 1
    AND seq < :before                 -- if before
ORDER BY seq DESC
LIMIT :limit
