INSERT INTO feedback (id, time_ns, kind, name, retracts, body)
VALUES (:id, :time_ns, :kind, :name, :retracts, :body)
ON CONFLICT DO NOTHING
