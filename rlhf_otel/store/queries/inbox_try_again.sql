UPDATE inbox SET aside = 0 WHERE aside
