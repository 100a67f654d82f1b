SELECT coalesce(sum(refused), 0) FROM tombstone
