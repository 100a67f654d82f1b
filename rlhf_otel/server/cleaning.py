"""Takes secrets out of what other emitters send, before anything of it is written.

What our own instrumentation sends has been through the redaction of the process that made it, with whatever its
application set there. Other emitters have none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

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
        changed = [_clean_text(text, redactor) for text in _texts(signal, request)]
        return any(changed)

    return clean


def nothing_to_clean(_signal: SignalName, _request: Any) -> bool:
    """What cleans where redaction is switched off."""
    return False


class _Text(NamedTuple):
    """A text, as the message that holds it and the name of its field there, and what it stands under, if anything."""

    holder: Any
    field: str
    key: str = ""


def _texts(signal: SignalName, request: Any) -> Iterator[_Text]:
    """Every text of other emitters: of spans and log records, and of what they come from. Metrics have no content."""
    resources, scopes, items = _STOREYS[signal]
    for resource in getattr(request, resources):
        foreign = [scope for scope in getattr(resource, scopes) if scope.scope.name != semconv.SCOPE]
        if foreign:  # a detector may have put the command line there, and a key in that
            yield from _in_attributes(resource.resource)
        for scope in foreign:
            yield from _in_attributes(scope.scope)
            for item in getattr(scope, items) if items else ():
                yield from _in_item(item)


def _in_item(item: Any) -> Iterator[_Text]:
    yield from _in_attributes(item)
    if "body" in item.DESCRIPTOR.fields_by_name:
        yield from _in_value(item.body)
        return
    yield _Text(item, "name")
    yield _Text(item.status, "message")
    for event in item.events:
        yield _Text(event, "name")
    for inner in (*item.events, *item.links):
        yield from _in_attributes(inner)


def _in_attributes(holder: Any) -> Iterator[_Text]:
    for pair in holder.attributes:
        yield from _in_value(pair.value, pair.key)


def _in_value(value: Any, key: str = "") -> Iterator[_Text]:
    kind = value.WhichOneof("value")
    if kind in ("string_value", "bytes_value"):
        yield _Text(value, kind, key)
    elif kind == "array_value":
        for item in value.array_value.values:
            yield from _in_value(item, key)
    elif kind == "kvlist_value":
        for pair in value.kvlist_value.values:
            yield from _in_value(pair.value, pair.key)
            yield _Text(pair, "key")


def _clean_text(text: _Text, redactor: Redactor) -> bool:
    before = getattr(text.holder, text.field)
    if isinstance(before, bytes):
        said = before.decode("utf-8", "surrogateescape")
        clean: str | bytes = _cleaned(said, text.key, redactor).encode("utf-8", "surrogateescape")
    else:
        clean = _cleaned(before, text.key, redactor)
    if clean == before:
        return False
    setattr(text.holder, text.field, clean)
    return True


def _cleaned(text: str, key: str, redactor: Redactor) -> str:
    """`text` without secrets. In JSON each text is looked at by itself: a placeholder must not break an escape."""
    clean: str = redactor.under(key, text)
    if clean == text or text[:1] not in ("[", "{"):
        return clean
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return clean
    # An escape may stand for half of a character, which is no text by itself.
    return codec.whole(json.dumps(redactor.value(value), ensure_ascii=False, separators=(",", ":")))
