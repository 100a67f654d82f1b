SELECT seq, body FROM feedback WHERE kind = 'retraction' AND retracts = ?
