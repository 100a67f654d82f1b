SELECT id, resource, NULL, NULL FROM span WHERE id > ?
