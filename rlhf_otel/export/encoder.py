"""Spans as OTLP, for the SDK's exporters: what their own encoder makes of them, in a fifth of its time.

It makes a message for each value, checks each, and copies it twice. Here the values go straight into the one message of
a batch, and resource and scope are encoded once. Whatever is not plain (events, links, a value of another type) is
left to the SDK's encoder, span by span; and so is everything where the two do not agree on the first span, as may be
with an SDK that is newer than this.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import FunctionType, MethodType
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

_KINDS = {kind: trace_pb2.Span.SpanKind.Value(f"SPAN_KIND_{kind.name}") for kind in SpanKind}
_LOCAL = trace_pb2.SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_REMOTE = _LOCAL | trace_pb2.SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK
_MOST_HEADS = 16


def hand_to(exporter: Any) -> None:
    """Has `exporter`, one of the SDK's for spans over OTLP, encode by an `Encoder`.

    The one for grpc asks a method of its own for it; the one for http a function of its module, in whose place its
    `export` sees ours. The exporters of others, which are of the same classes, are not touched.
    """
    encode = Encoder().encode
    export = type(exporter).export
    if hasattr(exporter, "_translate_data"):
        exporter._translate_data = encode
    elif type(export) is FunctionType and "encode_spans" in export.__code__.co_names and export.__closure__ is None:
        seen = {**export.__globals__, "encode_spans": encode}
        exporter.export = MethodType(FunctionType(export.__code__, seen, "export", export.__defaults__), exporter)


class Encoder:
    """Encodes batches of spans for one exporter."""

    def __init__(self) -> None:
        self._is_as_the_sdk: bool | None = None
        self._heads: dict[tuple[int, int], tuple[Any, Any, Any]] = {}

    def encode(self, spans: Sequence[ReadableSpan]) -> Any:
        """The `ExportTraceServiceRequest` that the SDK's `encode_spans` gives for `spans`."""
        if self._is_as_the_sdk is None and spans:
            self._is_as_the_sdk = self._request(spans[:1]) == encode_spans(spans[:1])
        return self._request(spans) if self._is_as_the_sdk else encode_spans(spans)

    def _request(self, spans: Sequence[ReadableSpan]) -> Any:
        request = ExportTraceServiceRequest()
        resources: dict[Any, tuple[Any, dict[Any, Any]]] = {}
        places: dict[tuple[int, int], Any] = {}  # hashing a resource takes as long as encoding a span
        for span in spans:
            key = id(span.resource), id(span.instrumentation_scope)
            place = places.get(key)
            if place is None:
                place = places[key] = self._place(request, resources, span)
            before = len(place)
            try:
                _add(place, span)
            except Exception:  # noqa: BLE001 - protobuf raises what it likes; the SDK leaves out what it cannot take
                del place[before:]
                place.add().CopyFrom(_by_the_sdk(span).scope_spans[0].spans[0])
        return request

    def _place(self, request: Any, resources: dict[Any, tuple[Any, dict[Any, Any]]], span: ReadableSpan) -> Any:
        """The list in `request` that `span` belongs to: of its resource, and in that of its scope."""
        head, scope = self._head(span), span.instrumentation_scope or None
        if span.resource not in resources:
            resource_spans = request.resource_spans.add()
            resource_spans.CopyFrom(head)
            resources[span.resource] = resource_spans, {scope: resource_spans.scope_spans[0].spans}
        resource_spans, scopes = resources[span.resource]
        if scope not in scopes:
            scope_spans = resource_spans.scope_spans.add()
            scope_spans.CopyFrom(head.scope_spans[0])
            scopes[scope] = scope_spans.spans
        return scopes[scope]

    def _head(self, span: ReadableSpan) -> Any:
        """What stands before the spans of one resource and scope, as the SDK encodes it."""
        resource, scope = span.resource, span.instrumentation_scope
        if (kept := self._heads.get((id(resource), id(scope)))) is not None:
            return kept[2]
        head = _by_the_sdk(ReadableSpan("", span.get_span_context(), resource=resource, instrumentation_scope=scope))
        del head.scope_spans[0].spans[:]
        if len(self._heads) >= _MOST_HEADS:
            self._heads.clear()
        self._heads[id(resource), id(scope)] = resource, scope, head  # kept, so that nothing else gets their ids
        return head


def _by_the_sdk(span: ReadableSpan) -> Any:
    return encode_spans([span]).resource_spans[0]


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
    for key, value in (span.attributes or {}).items():
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
