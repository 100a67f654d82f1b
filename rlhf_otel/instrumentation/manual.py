"""Calls that no client library made: recorded by hand, through the same engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlhf_otel import codec, hooks
from rlhf_otel.instrumentation import parts
from rlhf_otel.instrumentation.call import Call
from rlhf_otel.records import Message, Part


class Manual:
    """An endpoint that has nothing to read: whoever records the call says it all."""

    def __init__(self, operation: str) -> None:
        self.operation = operation

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Nothing was sent."""

    def response(self, call: Call, result: Any) -> None:
        """Nothing was received."""

    def new_state(self) -> Any:
        """Nothing streams."""
        return None

    def chunk(self, call: Call, state: Any, chunk: Any) -> None:
        """Nothing streams."""

    def end(self, call: Call, state: Any) -> None:
        """Nothing streams."""


class ReportedError(Exception):
    """An error that was reported as text."""


_TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")


def record_call(
    telemetry: hooks.Telemetry,
    *,
    prompt: str | Sequence[Mapping[str, Any]],
    response: str | None,
    model: str | None,
    provider: str,
    operation: str,
    usage: Mapping[str, int],
    error: BaseException | str | None,
    attributes: dict[str, Any],
    start_ns: int,
    end_ns: int | None,
) -> Call:
    """Makes a call that is over; see `rlhf_otel.capture` for the arguments."""
    # Whatever is malformed is found before a span is started.
    said = _messages(codec.plain(prompt))
    answered = [parts.message("assistant", [parts.text(codec.plain(response))])] if response is not None else []
    tokens = {name: _number(usage.get(name)) for name in _TOKENS}
    attributes = codec.plain(attributes)
    call = Call(telemetry, Manual(operation), provider=provider, model=model)
    if end_ns is not None:
        call.backdate(start_ns, end_ns)
    call.start()
    call.attributes = attributes  # not before: what a span starts with has not been redacted
    call.response_model = model if response is not None else None
    for name, value in tokens.items():
        setattr(call, name, value)
    call.input, call.output = said, answered
    if error is None:
        call.finish()
    else:
        call.finish("error", error if isinstance(error, BaseException) else ReportedError(error))
    return call


def _messages(prompt: str | Sequence[Mapping[str, Any]]) -> list[Message]:
    if isinstance(prompt, str):
        return [parts.message("user", [parts.text(prompt)])]
    return [
        parts.message(
            str(m.get("role", "user")), _parts(m["parts"]) if "parts" in m else [parts.text(m.get("content"))]
        )
        for m in prompt
    ]


def _parts(given: Sequence[Any]) -> list[Part]:
    return [part if isinstance(part, dict) else parts.text(part) for part in given]


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
