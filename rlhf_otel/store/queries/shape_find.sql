SELECT id FROM shape WHERE hash = ?
