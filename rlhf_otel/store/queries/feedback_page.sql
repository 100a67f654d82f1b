-- As it came. Lines that end in "-- if NAME" stand only where NAME is given.
SELECT seq, body
FROM feedback
WHERE 1 = 1
    AND seq < :before                 -- if before
    AND seq > :after                  -- if after
ORDER BY seq DESC                     -- if newest_first
ORDER BY seq                          -- if oldest_first
LIMIT :limit
