"""`rlhf-otel`: thin commands over the other rooms. stdout is data, stderr is talk."""
