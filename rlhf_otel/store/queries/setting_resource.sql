SELECT resource FROM setting WHERE id = ?
