"""The fixtures of `tests/instrumentation`: real client libraries against a fake provider, kept in memory."""

from tests.instrumentation.clockwork import ask, clock
from tests.instrumentation.conftest import (
    captured,
    clean_process,
    clients,
    exporter,
    lenient,
    llm,
    loop,
    provider,
    run,
    server,
)
from tests.instrumentation.test_ownership import global_provider

__all__ = [
    "ask",
    "captured",
    "clean_process",
    "clients",
    "clock",
    "exporter",
    "global_provider",
    "lenient",
    "llm",
    "loop",
    "provider",
    "run",
    "server",
]
