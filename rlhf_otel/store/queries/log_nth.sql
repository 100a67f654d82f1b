SELECT time_ns FROM log WHERE event_name <> 'rlhf.consent'
ORDER BY time_ns LIMIT 1 OFFSET :at
