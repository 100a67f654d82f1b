DELETE FROM setting WHERE id = ?
