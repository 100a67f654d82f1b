SELECT id FROM setting
