DELETE FROM orphan WHERE kind = ? AND number = ?
