"""Spans and log records as OTLP bytes: encoded once, made into requests by joining, taken apart again, cut.

Requests for traces and for logs have the same shape and the same field numbers: resources, in each of them scopes, in
each of those items. So what stands around an item and the item itself are kept as bytes, and a request is these bytes
one after the other, each with its length before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import ScopeLogs
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans

from rlhf_otel.export import limits

Signal = Literal["traces", "logs"]
REQUESTS: dict[Signal, Any] = {"traces": ExportTraceServiceRequest, "logs": ExportLogsServiceRequest}
_NAMES = {"traces": ("resource_spans", "scope_spans", "spans"), "logs": ("resource_logs", "scope_logs", "log_records")}
_SCOPED: dict[Signal, Any] = {"traces": ScopeSpans, "logs": ScopeLogs}
_FIRST, _SECOND = b"\x0a", b"\x12"
"""The tags of the fields that hold messages: resources in a request, scopes in a resource."""


class Packed(NamedTuple):
    """One item: what the message of its resource says besides its scopes, that of its scope besides its items, and a
    message of a scope with nothing but the item.
    """

    resource: bytes
    scope: bytes
    body: bytes

    @property
    def size(self) -> int:
        """The bytes of a request with this item alone, but for a few that tell lengths."""
        return len(self.resource) + len(self.scope) + len(self.body)


def request(items: Iterable[Packed]) -> bytes:
    """The export request with all `items`, those of one resource and scope together."""
    groups: dict[bytes, dict[bytes, list[bytes]]] = {}
    for resource, scope, body in items:
        groups.setdefault(resource, {}).setdefault(scope, []).append(body)
    return b"".join(_field(_FIRST, resource + _scopes(scopes)) for resource, scopes in groups.items())


def _scopes(scopes: dict[bytes, list[bytes]]) -> bytes:
    return b"".join(_field(_SECOND, scope + b"".join(bodies)) for scope, bodies in scopes.items())


def _field(tag: bytes, content: bytes) -> bytes:
    length, told = len(content), bytearray(tag)
    while length > 127:
        told.append(length & 127 | 128)
        length >>= 7
    told.append(length)
    return bytes(told) + content


def taken_apart(request: Any, signal: Signal) -> Iterator[Packed]:
    """The items of a message of the class in `REQUESTS`, which is used up."""
    groups, scopes, items = _NAMES[signal]
    for group in getattr(request, groups):
        scoped_of_group = [_SCOPED[signal].FromString(scoped.SerializeToString()) for scoped in getattr(group, scopes)]
        del getattr(group, scopes)[:]
        resource = group.SerializeToString()
        for scoped in scoped_of_group:
            alone = [_SCOPED[signal](**{items: [item]}).SerializeToString() for item in getattr(scoped, items)]
            del getattr(scoped, items)[:]
            scope = scoped.SerializeToString()
            yield from (Packed(resource, scope, body) for body in alone)


def unpacked(payload: bytes, signal: Signal) -> Iterator[Packed]:
    """The items of a request in bytes.

    Raises:
        google.protobuf.message.DecodeError: `payload` is no such request.
    """
    return taken_apart(REQUESTS[signal].FromString(payload), signal)


def scope_name(item: Packed) -> str:
    """Who made it."""
    return str(ScopeSpans.FromString(item.scope).scope.name)


def cut(item: Packed, most: int, signal: Signal) -> Packed | None:
    """A copy of `item` in at most `most` bytes, its longest texts cut, each saying so; None where that cannot be.

    JSON in an attribute stays JSON.
    """
    longest = most
    while longest > limits.SHORTEST:
        longest = longest * 3 // 4
        scoped = _SCOPED[signal].FromString(item.body)
        for record in getattr(scoped, _NAMES[signal][2]):
            for attribute in record.attributes:
                _shorten(attribute.value, longest, limits.shorten)
            if signal == "logs":
                _shorten(record.body, longest, limits.shorten)
        shorter = item._replace(body=scoped.SerializeToString())
        if shorter.size <= most:
            return shorter
    return None


def _shorten(value: Any, longest: int, shorten: Any) -> None:
    """Cuts the texts in an `AnyValue`."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        value.string_value = shorten(value.string_value, longest)
    elif kind == "array_value":
        for entry in value.array_value.values:
            _shorten(entry, longest, limits.cut)
    elif kind == "kvlist_value":
        for pair in value.kvlist_value.values:
            _shorten(pair.value, longest, limits.cut)
