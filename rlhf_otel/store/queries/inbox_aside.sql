SELECT seq, body FROM inbox WHERE aside
