UPDATE tombstone SET refused = refused + ? WHERE id = ?
