"""Spans and log records as OTLP bytes: of spans, what the SDK's encoder makes of them, in a fifth of its time.

The SDK makes a message for each value, checks each, and copies it twice. Here the values go straight into one message,
and resource and scope are encoded once. Whatever is not plain (events, links, a value of another type) is left to the
SDK's encoder, span by span; and so is everything where the two do not agree on the first span, as may be with an SDK
that is newer than this.
"""

from __future__ import annotations

from types import FunctionType, MethodType
from typing import Any

from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from rlhf_otel import hooks
from rlhf_otel.export import wire
from rlhf_otel.export.events import MOST_ATTRIBUTES, Emitted
from rlhf_otel.export.sizes import attributes_of
from rlhf_otel.export.wire import Packed, Signal

_KINDS = {kind: trace_pb2.Span.SpanKind.Value(f"SPAN_KIND_{kind.name}") for kind in SpanKind}
_LOCAL = trace_pb2.SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_REMOTE = _LOCAL | trace_pb2.SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK
_MOST_HEADS = 16
_ENCODERS: dict[Signal, str] = {"traces": "encode_spans", "logs": "encode_logs"}
"""What the SDK's exporters for http call to encode."""


def hand_to(exporter: Any, signal: Signal) -> bool:
    """Has `exporter`, where it is one of the SDK's for OTLP, take `Packed` items; whether it does from now on.

    The one for grpc asks a method of its own for the message; the one for http a function of its module, in whose place
    its `export` sees ours. The exporters of others, which are of the same classes, are not touched.
    """
    encode, export = _ENCODERS[signal], getattr(type(exporter), "export", None)
    if hasattr(exporter, "_translate_data"):
        exporter._translate_data = lambda items: wire.REQUESTS[signal].FromString(wire.request(items))
        return True
    if type(export) is not FunctionType or encode not in export.__code__.co_names or export.__closure__ is not None:
        return False
    seen = {**export.__globals__, encode: _Request}
    exporter.export = MethodType(FunctionType(export.__code__, seen, "export", export.__defaults__), exporter)
    return True


class _Request:
    """What an exporter for http asks its encoder for: something that it can have as bytes."""

    def __init__(self, items: Any) -> None:
        self._items = items

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        return wire.request(self._items)

    SerializePartialToString = SerializeToString


def pack_log(record: Any) -> Packed:
    """A log record of the SDK's, or a feedback event of ours, in bytes."""
    if isinstance(record, Emitted):
        return _events.pack(record)
    return next(wire.taken_apart(encode_logs([record]), "logs"))


class EventEncoder:
    """Encodes feedback events: the first of each logger is encoded by the SDK, and shows what all have in common."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Packed, Any]] = {}

    def pack(self, event: Emitted) -> Packed:
        """`event` in bytes, as the SDK encodes it."""
        known = self._known.get(id(event.logger))
        try:
            if known is None:
                self._learn(event)
            elif known[2] is not None:
                return known[1]._replace(body=_event(known[2], event))
        except Exception as error:  # noqa: BLE001 - protobuf raises what it likes; the SDK leaves out what it cannot take
            hooks.logger.debug("an event is left to the SDK: %s", type(error).__name__)
        return pack_log(event.as_the_sdk)

    def _learn(self, event: Emitted) -> None:
        """Keeps what is the same in all events of a logger, unless the SDK does not agree on this one."""
        first = pack_log(event.as_the_sdk)
        theirs = logs_pb2.ScopeLogs.FromString(first.body)
        common = logs_pb2.LogRecord()
        common.CopyFrom(theirs.log_records[0])
        for field in ("time_unix_nano", "observed_time_unix_nano", "trace_id", "span_id", "attributes"):
            common.ClearField(field)
        agrees = logs_pb2.ScopeLogs.FromString(_event(common, event)) == theirs
        if len(self._known) >= _MOST_HEADS:
            self._known.clear()
        self._known[id(event.logger)] = event.logger, first, common if agrees else None


_events = EventEncoder()


def _event(common: Any, event: Emitted) -> bytes:
    """A scope with the event alone.

    Raises:
        ValueError, TypeError: something in it is not plain.
    """
    place = logs_pb2.ScopeLogs()
    made: Any = place.log_records.add()
    made.CopyFrom(common)
    made.time_unix_nano, made.observed_time_unix_nano = event.timestamp, event.observed_timestamp
    if event.trace_id:
        made.trace_id = event.trace_id.to_bytes(16, "big")
    if event.span_id:
        made.span_id = event.span_id.to_bytes(8, "big")
    if len(event.attributes) > MOST_ATTRIBUTES:
        raise ValueError("the SDK drops some")
    for key, value in event.attributes.items():
        _set(made.attributes.add(key=key).value, value)
    encoded: bytes = place.SerializePartialToString()
    return encoded


class Encoder:
    """Encodes spans, of few resources and scopes."""

    def __init__(self) -> None:
        self._is_as_the_sdk: bool | None = None
        self._heads: dict[tuple[int, int], tuple[Any, Any, bytes, bytes]] = {}

    def pack(self, span: ReadableSpan) -> Packed:
        """`span` in bytes: together with others the request that the SDK's `encode_spans` makes of them."""
        if self._is_as_the_sdk is None:
            theirs = encode_spans([span])
            ours = wire.request([self._packed(span)])
            self._is_as_the_sdk = wire.REQUESTS["traces"].FromString(ours) == theirs
        return self._packed(span) if self._is_as_the_sdk else _by_the_sdk(span)

    def _packed(self, span: ReadableSpan) -> Packed:
        resource, scope = self._head(span)
        place = trace_pb2.ScopeSpans()
        try:
            _add(place.spans, span)
            return Packed(resource, scope, place.SerializePartialToString())
        except Exception:  # noqa: BLE001 - protobuf raises what it likes; the SDK leaves out what it cannot take
            return Packed(resource, scope, _by_the_sdk(span).body)

    def _head(self, span: ReadableSpan) -> tuple[bytes, bytes]:
        """What stands before the spans of one resource and scope, as the SDK encodes it."""
        resource, scope = span.resource, span.instrumentation_scope
        if (kept := self._heads.get((id(resource), id(scope)))) is not None:
            return kept[2], kept[3]
        encoded = _by_the_sdk(ReadableSpan("", span.get_span_context(), resource=resource, instrumentation_scope=scope))
        # Equal resources are one to the SDK, in the order of attributes that came first.
        same = (known[2] for known in self._heads.values() if known[0] == resource)
        head = next(same, encoded.resource), encoded.scope
        if len(self._heads) >= _MOST_HEADS:
            self._heads.clear()
        self._heads[id(resource), id(scope)] = resource, scope, *head  # kept, so that nothing else gets their ids
        return head


def _by_the_sdk(span: ReadableSpan) -> Packed:
    return next(wire.taken_apart(encode_spans([span]), "traces"))


pack_span = Encoder().pack


def _add(place: Any, span: ReadableSpan) -> None:
    """Adds `span` to the list `place`.

    Raises:
        ValueError, TypeError: something in it is not plain; the list may end with an unfinished span then.
    """
    context: Any = span.get_span_context()
    parent, status = span.parent, span.status
    made = place.add(
        trace_id=context.trace_id.to_bytes(16, "big"),
        span_id=context.span_id.to_bytes(8, "big"),
        parent_span_id=parent.span_id.to_bytes(8, "big") if parent else None,
        name=span.name,
        kind=_KINDS[span.kind],
        start_time_unix_nano=span.start_time,
        end_time_unix_nano=span.end_time,
        status=None if status is None else {"code": status.status_code.value, "message": status.description},
        flags=_REMOTE if parent and parent.is_remote else _LOCAL,
        dropped_attributes_count=span.dropped_attributes,
    )
    if context.trace_state:
        made.trace_state = ",".join(f"{key}={value}" for key, value in context.trace_state.items())
    if span.events or span.links or span.dropped_events or span.dropped_links:
        raise ValueError("events and links are rare enough to be left to the SDK")
    add = made.attributes.add
    for key, value in (attributes_of(span) or {}).items():
        if type(value) is str:  # most are, and a function costs as much as the rest
            add(key=key).value.string_value = value
        else:
            _set(add(key=key).value, value)


def _set(into: Any, value: Any) -> None:
    """Makes an `AnyValue` hold `value`."""
    kind = type(value)
    if kind is str:
        into.string_value = value
    elif kind is int:
        into.int_value = value
    elif kind is float:
        into.double_value = value
    elif kind is bool:
        into.bool_value = value
    elif kind is list or kind is tuple:
        add = into.array_value.values.add
        if not value:
            into.array_value.SetInParent()
        for item in value:
            _set(add(), item)
    else:
        raise TypeError(kind)
