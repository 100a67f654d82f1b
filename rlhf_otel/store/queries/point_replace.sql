UPDATE OR REPLACE metric_point SET hash = :hash, body = :body WHERE id = :id
