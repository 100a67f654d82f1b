DELETE FROM inbox WHERE seq = ?
