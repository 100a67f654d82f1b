INSERT INTO shape (hash, body) VALUES (:hash, :body)
