DELETE FROM interaction WHERE id = ? AND span_id = ?
