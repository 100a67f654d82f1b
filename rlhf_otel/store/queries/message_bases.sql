SELECT id, base FROM message
