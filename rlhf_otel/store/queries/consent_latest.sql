SELECT time_ns, consent FROM consent WHERE hash = ? ORDER BY time_ns DESC, log DESC LIMIT 1
