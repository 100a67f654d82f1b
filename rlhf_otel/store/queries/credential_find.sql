SELECT hash, kind, name, role, created_ns, expires_ns
FROM credential
WHERE hash = ?
