DELETE FROM shape WHERE id = ?
