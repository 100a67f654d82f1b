INSERT INTO tombstone (kind, hash, feedback_only, laid_ns) VALUES (:kind, :hash, :feedback_only, :laid_ns)
