SELECT id, resource, NULL, content FROM log WHERE id > ?
