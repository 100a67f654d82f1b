SELECT id FROM setting WHERE hash = ?
