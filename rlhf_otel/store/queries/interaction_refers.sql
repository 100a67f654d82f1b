SELECT id, NULL, setting, content FROM interaction WHERE id > ?
