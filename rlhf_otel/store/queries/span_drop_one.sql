DELETE FROM span WHERE id = ? AND span_id = ?
