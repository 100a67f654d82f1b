INSERT INTO migration (name) VALUES (?)
