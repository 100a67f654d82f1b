"""What is answered: success, success with rejects, or a refusal that says whether to come again.

OTLP lets a client send again only after 429, 502, 503 and 504, over gRPC after UNAVAILABLE and its kin. So what will be
refused for ever must not look as if it would pass, nor the other way round.
"""

from __future__ import annotations

import json
import logging
import math
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlhf_otel.server.signals import Signal

PROTOBUF = b"application/x-protobuf"
JSON = b"application/json"
LONGEST_MESSAGE = 4096
"""Far below the 4 MiB that a client reads of an answer."""
RETRY_AFTER_S = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to say no: the HTTP status and the code of gRPC and of `google.rpc.Status` that mean the same."""

    status: int
    code: int


BAD_DATA = Kind(400, 3)
UNKNOWN_SENDER = Kind(401, 16)
FORBIDDEN = Kind(403, 7)
NOT_FOUND = Kind(404, 5)
NOT_THIS_METHOD = Kind(405, 12)
TOO_SLOW = Kind(408, 4)
TOO_LARGE = Kind(413, 8)
NOT_THIS_FORM = Kind(415, 3)
TOO_MANY = Kind(429, 8)
HEAD_TOO_LARGE = Kind(431, 3)
OUR_FAULT = Kind(500, 13)
LATER = Kind(503, 14)


class Refusal(Exception):  # noqa: N818 - it is an answer
    """A request that is not taken. The message goes to the client, and so never has content in it.

    Args:
        kind: what is wrong.
        message: the same in words, for whoever runs the client.
        headers: further headers of the answer over HTTP.
        retry_after_s: when to come again; said by itself where it is `LATER`.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        *,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.headers = headers
        self.retry_after_s = RETRY_AFTER_S if retry_after_s is None and kind is LATER else retry_after_s


def our_fault(error: Exception, what: str) -> Refusal:
    """The refusal of a request over which we fell. Logs where, but no message, which might have content in it."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    _log.error("%s: %s%s", what, type(error).__name__, place)
    return Refusal(OUR_FAULT, f"{what} ({type(error).__name__}{place}); please report this")


@dataclass(frozen=True, slots=True)
class Taken:
    """A request that is on the disk.

    Attributes:
        rejected: how many of its items cannot be kept, and will not be if they are sent again.
        message: why, or a warning where nothing was rejected.
    """

    rejected: int = 0
    message: str = ""


def taken_as_protobuf(signal: Signal, taken: Taken) -> bytes:
    """The answer's message; empty where all is well, as `partial_success` must then be unset."""
    if not taken.rejected and not taken.message:
        return b""
    response = signal.response()
    setattr(response.partial_success, signal.rejected, taken.rejected)
    response.partial_success.error_message = _short(taken.message)
    encoded: bytes = response.SerializeToString()
    return encoded


def taken_as_json(signal: Signal, taken: Taken) -> bytes:
    """The answer's message as the JSON of protobuf, where a 64-bit integer is a string and a zero is left out."""
    partial: dict[str, str] = {}
    if taken.rejected:
        partial[_camel(signal.rejected)] = str(taken.rejected)
    if taken.message:
        partial["errorMessage"] = _short(taken.message)
    return json.dumps({"partialSuccess": partial} if partial else {}).encode()


def status_as_protobuf(refusal: Refusal) -> bytes:
    """The `google.rpc.Status` that a refusal is, with when to come again."""
    from google.protobuf.any_pb2 import Any as Detail  # type: ignore[import-untyped, unused-ignore]
    from google.rpc.status_pb2 import Status  # type: ignore[import-untyped, unused-ignore]

    status = Status(code=refusal.kind.code, message=_short(refusal.message))
    if (info := retry_info(refusal)) is not None:
        detail = Detail()
        detail.Pack(info)
        status.details.append(detail)
    encoded: bytes = status.SerializeToString()
    return encoded


def status_as_json(refusal: Refusal) -> bytes:
    """The same as JSON."""
    status: dict[str, Any] = {"code": refusal.kind.code, "message": _short(refusal.message)}
    if refusal.retry_after_s is not None:
        kind = "type.googleapis.com/google.rpc.RetryInfo"
        status["details"] = [{"@type": kind, "retryDelay": f"{refusal.retry_after_s:g}s"}]
    return json.dumps(status).encode()


def retry_info(refusal: Refusal) -> Any:
    """The `google.rpc.RetryInfo` of a refusal; None where coming again would not help."""
    if refusal.retry_after_s is None:
        return None
    from google.protobuf.duration_pb2 import Duration  # type: ignore[import-untyped, unused-ignore]
    from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped, unused-ignore]

    delay = Duration()
    delay.FromMilliseconds(round(refusal.retry_after_s * 1000))
    return RetryInfo(retry_delay=delay)


def refused_over_http(refusal: Refusal, content_type: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body of a refusal; in protobuf for who speaks it, else in JSON, which people can read."""
    as_protobuf = content_type.startswith(PROTOBUF)
    body = status_as_protobuf(refusal) if as_protobuf else status_as_json(refusal)
    headers = head(PROTOBUF if as_protobuf else JSON, body)
    if refusal.retry_after_s is not None:
        headers.append((b"retry-after", str(math.ceil(refusal.retry_after_s)).encode()))
    return refusal.kind.status, [*headers, *refusal.headers], body


def head(content_type: bytes, body: bytes) -> list[tuple[bytes, bytes]]:
    """The headers that every answer has."""
    length = str(len(body)).encode()
    return [(b"content-type", content_type), (b"content-length", length), (b"x-content-type-options", b"nosniff")]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.title, rest))


def _short(message: str) -> str:
    return message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}..."
