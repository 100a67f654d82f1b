SELECT count(*) FROM inbox WHERE aside
