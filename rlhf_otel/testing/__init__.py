"""Stand-ins for the two ends of an instrumented application: the model provider and the telemetry backend.

Real servers on loopback, so that a test runs the real client libraries and the real exporters. Nothing heavy is
imported until a name is used. See docs/testing.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlhf_otel.testing.collector import Batch, FakeCollector
    from rlhf_otel.testing.fixed import FixedClock, FixedIds
    from rlhf_otel.testing.llm import FakeLLM
    from rlhf_otel.testing.memory import Captured, capture
    from rlhf_otel.testing.otlp import Log, Metric, Point, Span
    from rlhf_otel.testing.reply import Reply, Request, ToolCall, Usage

_HOME = {
    "Batch": "collector",
    "FakeCollector": "collector",
    "FakeLLM": "llm",
    "Captured": "memory",
    "FixedClock": "fixed",
    "FixedIds": "fixed",
    "Log": "otlp",
    "Metric": "otlp",
    "Point": "otlp",
    "Reply": "reply",
    "Request": "reply",
    "Span": "otlp",
    "ToolCall": "reply",
    "Usage": "reply",
    "capture": "memory",
}

__all__ = [
    "Batch",
    "Captured",
    "FakeCollector",
    "FakeLLM",
    "FixedClock",
    "FixedIds",
    "Log",
    "Metric",
    "Point",
    "Reply",
    "Request",
    "Span",
    "ToolCall",
    "Usage",
    "capture",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
