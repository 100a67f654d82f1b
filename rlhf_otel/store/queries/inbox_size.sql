SELECT coalesce(sum(size), 0) FROM inbox WHERE NOT aside
