DELETE FROM credential WHERE kind <> 'token' AND expires_ns <= ?
