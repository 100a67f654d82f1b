SELECT id, resource FROM setting WHERE id > ?
