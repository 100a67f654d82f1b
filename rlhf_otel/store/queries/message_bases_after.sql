SELECT id, base FROM message WHERE id > ? ORDER BY id
