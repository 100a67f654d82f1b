DELETE FROM fresh_message WHERE id = ?1 AND ?2 IS NOT NULL
