SELECT id, base FROM message WHERE substr(hash, 1, 5) = substr(:hash, 1, 5) AND hash = :hash
