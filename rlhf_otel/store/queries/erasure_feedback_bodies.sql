SELECT seq, id, body FROM feedback
