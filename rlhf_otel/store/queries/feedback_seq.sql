SELECT seq FROM feedback WHERE id = ?
