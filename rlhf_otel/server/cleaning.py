"""Takes secrets out of what other emitters send, before anything of it is written.

What our own instrumentation sends has been through the redaction of the process that made it, with whatever its
application set there. Other emitters have none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from rlhf_otel import codec, semconv
from rlhf_otel.redact import Redactor
from rlhf_otel.store.inbox import SignalName

Clean = Callable[[SignalName, Any], bool]
"""Takes secrets out of a parsed request, in place; whether there were any."""

_STOREYS: Mapping[SignalName, tuple[str, str, str]] = {
    "traces": ("resource_spans", "scope_spans", "spans"),
    "logs": ("resource_logs", "scope_logs", "log_records"),
    "metrics": ("resource_metrics", "scope_metrics", ""),
}


def cleaner(redactor: Redactor) -> Clean:
    """What cleans requests by the rules of `redactor`."""

    def clean(signal: SignalName, request: Any) -> bool:
        changed = [_clean_text(holder, field, redactor) for holder, field in _texts(_foreign(signal, request))]
        return any(changed)

    return clean


def nothing_to_clean(_signal: SignalName, _request: Any) -> bool:
    """What cleans where redaction is switched off."""
    return False


def _foreign(signal: SignalName, request: Any) -> Iterator[Any]:
    """The spans and log records of other emitters. Metrics have no content in them."""
    resources, scopes, items = _STOREYS[signal]
    for resource in getattr(request, resources) if items else ():
        for scope in getattr(resource, scopes):
            if scope.scope.name != semconv.SCOPE:
                yield from getattr(scope, items)


def _texts(items: Iterable[Any]) -> Iterator[tuple[Any, str]]:
    """Every text of the items, as the message that holds it and the name of its field there."""
    for item in items:
        yield from _in_attributes(item)
        fields = item.DESCRIPTOR.fields_by_name
        if "body" in fields:
            yield from _in_value(item.body)
        else:
            yield item.status, "message"
            for inner in (*item.events, *item.links):
                yield from _in_attributes(inner)


def _in_attributes(holder: Any) -> Iterator[tuple[Any, str]]:
    for pair in holder.attributes:
        yield from _in_value(pair.value)


def _in_value(value: Any) -> Iterator[tuple[Any, str]]:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        yield value, kind
    elif kind == "array_value":
        for item in value.array_value.values:
            yield from _in_value(item)
    elif kind == "kvlist_value":
        for pair in value.kvlist_value.values:
            yield pair, "key"
            yield from _in_value(pair.value)


def _clean_text(holder: Any, field: str, redactor: Redactor) -> bool:
    text = getattr(holder, field)
    clean = _cleaned(text, redactor)
    if clean == text:
        return False
    setattr(holder, field, clean)
    return True


def _cleaned(text: str, redactor: Redactor) -> str:
    """`text` without secrets. In JSON each text is looked at by itself: a placeholder must not break an escape."""
    clean = redactor.text(text)
    if clean == text or text[:1] not in ("[", "{"):
        return clean
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return clean
    # An escape may stand for half of a character, which is no text by itself.
    return codec.whole(json.dumps(redactor.value(value), ensure_ascii=False, separators=(",", ":")))
