DELETE FROM metric_point WHERE id = ? AND hash = ?
