SELECT id FROM shape
