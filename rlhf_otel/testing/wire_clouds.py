"""Anthropic's messages as Amazon Bedrock and Google Vertex serve them: at other paths, and framed by Bedrock.

Bedrock streams events in the framing of `application/vnd.amazon.eventstream`: lengths, headers and checksums in binary,
with the event's JSON as base64 inside.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING

from rlhf_otel.testing import wire_anthropic
from rlhf_otel.testing.wire import Endpoint, Event, Json, dump, error_message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rlhf_otel.testing.reply import Reply, Request

_STRING = 7  # the only type of header that is used here


def bedrock_stream(reply: Reply, request: Request) -> Iterator[Event]:
    """The events of a message, framed; the last one also has Bedrock's own count of tokens. There are no pings."""
    for event in wire_anthropic.message_stream(reply, request):
        value = json.loads(event.data.partition(b"data: ")[2])
        if value["type"] == "message_stop" and reply.usage is not None:
            counts = {"inputTokenCount": reply.usage.input, "outputTokenCount": reply.usage.output}
            value["amazon-bedrock-invocationMetrics"] = {**counts, "invocationLatency": 30, "firstByteLatency": 10}
        if value["type"] != "ping":
            payload = {"bytes": base64.b64encode(dump(value)).decode()}
            yield Event(frame({":event-type": "chunk", ":message-type": "event"}, payload), event.content)


def bedrock_error(reply: Reply, request: Request, events_before: int) -> Event:
    """How Bedrock tells of an error in a stream that has begun: a frame of another kind."""
    headers = {":exception-type": "internalServerException", ":message-type": "exception"}
    return Event(frame(headers, {"message": error_message(reply)}))


def frame(headers: dict[str, str], payload: Json) -> bytes:
    """One message of the event stream: prelude, headers, payload, and the checksums of both."""
    encoded = b"".join(
        bytes([len(name)]) + name.encode() + bytes([_STRING]) + len(value).to_bytes(2, "big") + value.encode()
        for name, value in {**headers, ":content-type": "application/json"}.items()
    )
    body = dump(payload)
    prelude = (16 + len(encoded) + len(body)).to_bytes(4, "big") + len(encoded).to_bytes(4, "big")
    message = prelude + zlib.crc32(prelude).to_bytes(4, "big") + encoded + body
    return message + zlib.crc32(message).to_bytes(4, "big")


ENDPOINTS = (
    Endpoint(method="POST", path="/model/{id}/invoke", plain=wire_anthropic.message, dialect="anthropic"),
    Endpoint(
        method="POST",
        path="/model/{id}/invoke-with-response-stream",
        plain=wire_anthropic.message,
        dialect="anthropic",
        stream=bedrock_stream,
        stream_type="application/vnd.amazon.eventstream",
        error_event=bedrock_error,
    ),
    Endpoint(
        method="POST",
        path="/models/count-tokens:rawPredict",
        plain=wire_anthropic.count_tokens,
        dialect="anthropic",
    ),
    Endpoint(method="POST", path="/models/{id}:rawPredict", plain=wire_anthropic.message, dialect="anthropic"),
    Endpoint(
        method="POST",
        path="/models/{id}:streamRawPredict",
        plain=wire_anthropic.message,
        dialect="anthropic",
        stream=wire_anthropic.message_stream,
        error_event=wire_anthropic.error_event,
    ),
)
