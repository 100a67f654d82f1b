UPDATE inbox SET aside = 1 WHERE seq = ?
