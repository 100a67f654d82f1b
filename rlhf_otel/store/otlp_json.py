"""Requests of OTLP in their JSON form as the same protobuf messages.

The form is protobuf's own with three exceptions: ids are in hex (of any case), enums are numbers only, and keys are in
lowerCamelCase only. What is not known is ignored. What it may say is read off the messages themselves, so that there is
no list of fields here that could fall behind the protocol.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from rlhf_otel.codec import whole

if TYPE_CHECKING:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_IDS = frozenset({"trace_id", "span_id", "parent_span_id"})
_MAX_DEPTH = 100
"""So deep may messages be nested in protobuf's binary form as well."""


def traces_from_json(parsed: Any) -> ExportTraceServiceRequest:
    """The request that `parsed` tells of, which any JSON parser has made.

    Raises:
        ValueError: it is no such request; the message says where and why.
    """
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    _fill(request, parsed, "the request", 0)
    return request


def logs_from_json(parsed: Any) -> ExportLogsServiceRequest:
    """The same for log records."""
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    request = ExportLogsServiceRequest()
    _fill(request, parsed, "the request", 0)
    return request


def metrics_from_json(parsed: Any) -> ExportMetricsServiceRequest:
    """The same for metrics."""
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    request = ExportMetricsServiceRequest()
    _fill(request, parsed, "the request", 0)
    return request


class _Field(NamedTuple):
    """How one field is read: a message, or a plain value by `read`."""

    name: str
    repeated: bool
    read: Callable[[Any], Any] | None


def _fill(message: Any, parsed: Any, place: str, depth: int) -> None:
    """Fills `message` with what `parsed` has for it; `place` is where that stands."""
    if not isinstance(parsed, dict):
        raise ValueError(f"{place} should be an object, not {_called(parsed)}")
    if depth > _MAX_DEPTH:
        raise ValueError(f"values are nested deeper than {_MAX_DEPTH} levels")
    fields = _fields(message.DESCRIPTOR)
    for key, value in parsed.items():
        field = fields.get(key)
        if field is None or value is None:
            continue
        if field.repeated:
            _extend(getattr(message, field.name), field, value, f"{place}, {key}", depth)
        elif field.read is None:
            inner = getattr(message, field.name)
            inner.SetInParent()
            _fill(inner, value, f"{place}, {key}", depth + 1)
        else:
            setattr(message, field.name, _read(field.read, value, f"{place}, {key}"))


def _extend(into: Any, field: _Field, values: Any, place: str, depth: int) -> None:
    if not isinstance(values, list):
        raise ValueError(f"{place} should be an array, not {_called(values)}")
    for number, value in enumerate(values):
        if field.read is None:
            _fill(into.add(), value, f"{place}[{number}]", depth + 1)
        else:
            into.append(_read(field.read, value, f"{place}[{number}]"))


def _read(read: Callable[[Any], Any], value: Any, place: str) -> Any:
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f"{place} {error}") from None


@lru_cache(maxsize=128)
def _fields(descriptor: Any) -> dict[str, _Field]:
    """The fields of a kind of message by their name in JSON."""
    return {field.json_name: _Field(field.name, _is_repeated(field), _reader(field)) for field in descriptor.fields}


def _is_repeated(field: Any) -> bool:
    """Whether `field` is a list; older versions of protobuf say it by a label, newer ones warn of that."""
    told = getattr(field, "is_repeated", None)
    return field.label == field.LABEL_REPEATED if told is None else bool(told)


def _reader(field: Any) -> Callable[[Any], Any] | None:
    """What reads a plain value for `field`; None for a message."""
    kind = field.cpp_type
    if kind == field.CPPTYPE_MESSAGE:
        return None
    if kind == field.CPPTYPE_STRING:
        return _text if field.type == field.TYPE_STRING else _id if field.name in _IDS else _base64
    if kind == field.CPPTYPE_BOOL:
        return _flag
    if kind in (field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT):
        return _real
    bits, signed = _INTEGERS[kind - field.CPPTYPE_INT32] if kind != field.CPPTYPE_ENUM else (32, True)
    return _integer(-(2 ** (bits - 1)) if signed else 0, 2 ** (bits - 1 if signed else bits))


_INTEGERS = ((32, True), (64, True), (32, False), (64, False))
"""Size and sign of protobuf's kinds of whole numbers, which follow each other in this order."""


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"should be text, not {_called(value)}")
    return whole(value)


def _id(value: Any) -> bytes:
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError):
        raise ValueError("should be an id in hexadecimal digits") from None


def _base64(value: Any) -> bytes:
    try:
        padded = value.replace("-", "+").replace("_", "/") + "=" * (-len(value) % 4)
        return base64.b64decode(padded, validate=True)
    except (AttributeError, TypeError, binascii.Error):
        raise ValueError("should be bytes in base64") from None


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"should be true or false, not {_called(value)}")
    return value


def _real(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"should be a number, not {_called(value)}")
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise ValueError("should be a number") from None


def _integer(low: int, beyond: int) -> Callable[[Any], int]:
    """Reads a whole number from `low` to below `beyond`; the large ones may be text, as JavaScript would round them."""

    def read(value: Any) -> int:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        try:
            number = int(value) if is_number or (isinstance(value, str) and len(value) <= 20) else None
        except (ValueError, OverflowError):
            number = None
        if number is None or (isinstance(value, float) and value != number):
            raise ValueError(f"should be a whole number, not {_called(value)}")
        if not low <= number < beyond:
            raise ValueError("is out of range")
        return number

    return read


def _called(value: Any) -> str:
    """What JSON calls a value of this kind."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "true or false"
    kinds = {str: "text", dict: "an object", list: "an array", int: "a number", float: "a number"}
    return kinds.get(type(value), "something else")
