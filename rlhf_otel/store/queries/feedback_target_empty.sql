DELETE FROM feedback_target
