DELETE FROM feedback_target WHERE seq = ?
