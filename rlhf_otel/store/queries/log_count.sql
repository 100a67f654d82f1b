SELECT count(*) FROM log WHERE event_name <> 'rlhf.consent'
