DELETE FROM erased WHERE tombstone = ?
