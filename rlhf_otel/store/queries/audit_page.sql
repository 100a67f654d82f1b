-- Lines that end in "-- if NAME" stand only where NAME is given.
SELECT time_ns, who, action, what
FROM audit
WHERE 1 = 1
    AND action = :action              -- if action
    AND time_ns >= :since_ns          -- if since_ns
ORDER BY id DESC
LIMIT :limit
