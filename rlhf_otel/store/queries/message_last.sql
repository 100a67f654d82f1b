SELECT max(
    (SELECT coalesce(max(id), 0) FROM message),
    (SELECT coalesce(max(id), 0) FROM fresh_message)
)
