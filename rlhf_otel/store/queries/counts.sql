SELECT
    (SELECT count(*) FROM interaction) AS interactions,
    (SELECT count(*) FROM feedback) AS feedback,
    (SELECT count(*) FROM pending_feedback) AS pending,
    (SELECT count(*) FROM span) AS spans,
    (SELECT count(*) FROM message) AS messages
