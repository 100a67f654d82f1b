-- Lines that end in "-- if NAME" stand only where NAME is given.
SELECT resource, body
FROM metric_point
WHERE 1 = 1
    AND name = :name                  -- if name
    AND time_ns >= :since_ns          -- if since_ns
ORDER BY time_ns DESC, id DESC
LIMIT :limit
