"""`rlhf-otel demo`: the whole thing at work, on this machine alone."""
