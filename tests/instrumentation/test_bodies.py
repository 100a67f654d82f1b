"""Server-sent events that the application reads as bytes, however they are cut up."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from rlhf_otel.instrumentation.bodies import BodyReader


def read(*pieces: bytes) -> list[Any]:
    """The chunks that are read of a body that arrives in these pieces."""
    chunks: list[Any] = []
    call: Any = SimpleNamespace(
        stream=True, state=None, stamps=[], endpoint=SimpleNamespace(chunk=None),
        read=lambda _reader, _state, chunk: chunks.append(vars(chunk)),
    )  # fmt: skip
    reader = BodyReader(SimpleNamespace(headers={}))
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
