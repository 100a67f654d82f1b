"""`rlhf-otel serve`: takes OTLP over HTTP and gRPC into the embedded store, and says yes only when it is on the disk.

Needs the extra `[server]`. Every transport ends in one `Receiver`, which has one writer thread.
"""
