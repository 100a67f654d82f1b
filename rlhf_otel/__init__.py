"""rlhf-otel: OpenTelemetry traces of every LLM call, joined with what people think of the answers.

    import rlhf_otel as rlhf
    from rlhf_otel import feedback

    rlhf.instrument()
    response = client.chat.completions.create(...)
    feedback.record(response, True)

Importing this package imports no client library and nothing heavy: each name is resolved when it is first used.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from rlhf_otel import hooks
from rlhf_otel._version import __version__

if TYPE_CHECKING:
    from rlhf_otel import feedback
    from rlhf_otel.api import (
        add_processor,
        capture,
        clear,
        collect_context,
        consent,
        disable,
        enable,
        flush,
        instrument,
        interactions,
        on,
        opt_in,
        opt_out,
        shutdown,
        stats,
        uninstrument,
    )
    from rlhf_otel.app_context import baggage, context
    from rlhf_otel.handles import current, handle, last
    from rlhf_otel.hooks import Drop
    from rlhf_otel.records import Feedback, Handle, Interaction

__all__ = [
    "Drop",
    "Feedback",
    "Handle",
    "Interaction",
    "__version__",
    "add_processor",
    "baggage",
    "capture",
    "clear",
    "collect_context",
    "consent",
    "context",
    "current",
    "disable",
    "enable",
    "feedback",
    "flush",
    "handle",
    "instrument",
    "interactions",
    "last",
    "on",
    "opt_in",
    "opt_out",
    "shutdown",
    "stats",
    "uninstrument",
]

_HOMES = {
    **dict.fromkeys(("current", "handle", "last"), "rlhf_otel.handles"),
    **dict.fromkeys(("Feedback", "Handle", "Interaction"), "rlhf_otel.records"),
    "Drop": "rlhf_otel.hooks",
    **dict.fromkeys(("baggage", "context"), "rlhf_otel.app_context"),
}


def __getattr__(name: str) -> Any:
    if name == "feedback":
        return importlib.import_module("rlhf_otel.feedback")
    if name not in __all__:
        raise AttributeError(f"module 'rlhf_otel' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES.get(name, "rlhf_otel.api")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def _connect(**providers: Any) -> Any:
    from rlhf_otel.export import setup

    return setup.connect(**providers)


def _notice(interaction: Interaction) -> None:
    from rlhf_otel.feedback import detect

    detect.notice(interaction)


def _prompt() -> Any:
    if importlib.util.find_spec("textual") is None:
        return None
    from rlhf_otel.tui import prompt

    return prompt.ask if prompt.is_possible() else None


hooks.connect = _connect
hooks.prompt = _prompt
hooks.notice = _notice
