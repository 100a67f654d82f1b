DELETE FROM credential WHERE hash = ?
