INSERT OR IGNORE INTO erased (hash, tombstone, may_return) VALUES (?, ?, ?)
