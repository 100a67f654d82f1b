"""Server-sent events that the application reads as bytes, however they are cut up."""

from __future__ import annotations

import gzip
import time
import zlib
from types import SimpleNamespace
from typing import Any

import brotli
import pytest

from rlhf_otel.instrumentation.bodies import BodyReader

from .conftest import http_library


def read(*pieces: bytes, encoding: str = "identity") -> list[Any]:
    """The chunks that are read of a body that arrives in these pieces."""
    chunks: list[Any] = []
    call: Any = SimpleNamespace(
        stream=True, state=None, stamps=[], complete=False, endpoint=SimpleNamespace(chunk=None),
        read=lambda _reader, _state, chunk: chunks.append(vars(chunk)),
    )  # fmt: skip
    reader = BodyReader(http_library("openai").Response(200, headers={"content-encoding": encoding}))
    for piece in pieces:
        reader.feed(call, piece)
    assert len(call.stamps) == len(chunks)
    return chunks


@pytest.mark.parametrize("size", range(1, 20))
def test_lines_are_read_however_they_are_cut(size: int) -> None:
    """Either end of a line, a missing space and several events in one piece make no difference."""
    body = b'event: x\r\ndata: {"a": 1}\r\n\r\ndata:{"b": 2}\n\n: ping\n\ndata: {"c": "\xc3\xa4"}\n\ndata: [DONE]\n\n'
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    assert read(*pieces) == read(body) == [{"a": 1}, {"b": 2}, {"c": "ä"}]


def test_a_long_line_costs_no_more_than_its_length() -> None:
    """A picture of 32 MB in one line, which comes in thousands of pieces, is not copied for each of them."""
    begun = time.process_time()
    (chunk,) = read(b'data: {"p": "', *[b"A" * 16_384] * 2048, b'"}\n\n')
    assert len(chunk["p"]) == 2048 * 16_384
    assert time.process_time() - begun < 5


ENCODINGS = {
    "gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress,
    "br, gzip": lambda data: gzip.compress(brotli.compress(data)), "identity": bytes, "mystery": bytes,
}  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_whatever_the_client_can_decode_is_read(encoding: str, size: int) -> None:
    """Bytes are read in each encoding that the HTTP client knows, two upon each other included."""
    body = ENCODINGS[encoding](b'data: {"a": "one"}\n\ndata: {"b": "two"}\n\n')
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    assert read(*pieces, encoding=encoding) == [{"a": "one"}, {"b": "two"}]
