SELECT id, what FROM audit
