INSERT INTO consent (hash, time_ns, log, consent) VALUES (:hash, :time_ns, :log, :consent)
