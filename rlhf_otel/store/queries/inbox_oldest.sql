SELECT seq, signal, body FROM inbox WHERE NOT aside ORDER BY seq LIMIT 1
