SELECT id FROM tombstone WHERE hash = :hash AND feedback_only = :feedback_only
