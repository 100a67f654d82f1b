"""What both versions of cohere's API have in common: parameters, usage, reasons to end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call

_PARAMETERS = {
    "temperature": semconv.REQUEST_TEMPERATURE,
    "p": semconv.REQUEST_TOP_P,
    "k": semconv.REQUEST_TOP_K,
    "max_tokens": semconv.REQUEST_MAX_TOKENS,
    "stop_sequences": semconv.REQUEST_STOP_SEQUENCES,
    "frequency_penalty": semconv.REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": semconv.REQUEST_PRESENCE_PENALTY,
    "seed": semconv.REQUEST_SEED,
}


def given(body: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that were given: the SDK stands `...` for those that were not, where it hands them on."""
    return {name: value for name, value in body.items() if value is not None and value != "Ellipsis"}


def read_parameters(call: Call, asked: Mapping[str, Any]) -> None:
    """Reads the parameters of a chat."""
    for name, key in _PARAMETERS.items():
        if (value := asked.get(name)) is not None:
            call.attributes[key] = value
    if isinstance(form := asked.get("response_format"), Mapping):
        call.attributes[semconv.OUTPUT_TYPE] = "json" if form.get("type") == "json_object" else "text"


def read_usage(call: Call, usage: Any) -> None:
    """Reads the tokens, or those that are billed where only they are told."""
    if usage is None:
        return
    counts = getattr(usage, "tokens", None) or getattr(usage, "billed_units", None)
    call.input_tokens = _count(counts, "input_tokens")
    call.output_tokens = _count(counts, "output_tokens")
    call.cached_tokens = _count(usage, "cached_tokens")


def read_finish(call: Call, reason: str | None) -> None:
    """Reads why the answer ended."""
    call.finish_reasons = [reason] if reason else []


def _count(held: Any, name: str) -> int | None:
    """A count, which the API tells as a decimal number."""
    value = getattr(held, name, None)
    return None if value is None else int(value)
