INSERT INTO metric_point (hash, name, time_ns, resource, body)
VALUES (:hash, :name, :time_ns, :resource, :body)
ON CONFLICT DO NOTHING
