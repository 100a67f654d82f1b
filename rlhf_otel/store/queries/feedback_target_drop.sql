DELETE FROM feedback_target WHERE seq NOT IN (SELECT seq FROM feedback)
