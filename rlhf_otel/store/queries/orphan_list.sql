SELECT kind, number FROM orphan
