DELETE FROM credential WHERE name = ?
