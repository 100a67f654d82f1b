"""Compressed bodies, and requests with broken items, as hostile as they come."""

from __future__ import annotations

import gzip
import struct
import zlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from rlhf_otel.server.answers import BAD_DATA, LATER, TOO_LARGE, Refusal
from rlhf_otel.server.bodies import Encoding, encoding_of, inflate, is_json
from rlhf_otel.server.room import Lease, Room
from rlhf_otel.server.salvage import framed, without_broken
from tests.conformance.messages import span, traces

PACK = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress}
LIMIT = 1 << 16
packed = pytest.mark.parametrize("encoding", list(PACK))


def unpacked(body: bytes, encoding: Encoding, limit: int = LIMIT) -> bytes:
    """What is in a body."""
    return inflate(body, encoding, limit, lambda count: None)


def refused(body: bytes, encoding: Encoding, limit: int = LIMIT) -> Refusal:
    """How a body is refused."""
    with pytest.raises(Refusal) as raised:
        unpacked(body, encoding, limit)
    return raised.value


@packed
@given(content=st.binary(max_size=5000))
@settings(max_examples=50, deadline=None)
def test_what_was_packed_comes_out(encoding: Encoding, content: bytes) -> None:
    """Byte for byte."""
    assert unpacked(PACK[encoding](content), encoding) == content


@packed
def test_several_packed_parts_are_one_body(encoding: Encoding) -> None:
    """Gzip has members and zstd has frames, one after the other."""
    body = PACK[encoding](b"a" * 3000) + PACK[encoding](b"b" * 3000)
    assert unpacked(body, encoding) == b"a" * 3000 + b"b" * 3000


@packed
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_a_body_that_ends_too_early_is_refused(encoding: Encoding, data: st.DataObject) -> None:
    """Wherever it ends: half a request may look like a whole one."""
    body = PACK[encoding](bytes(range(256)) * 8 + bytes(150_000))
    end = data.draw(st.integers(1, len(body) - 1))
    assert refused(body[:end], encoding, 1 << 20).kind is BAD_DATA


@packed
@given(junk=st.binary(min_size=1, max_size=300))
@settings(max_examples=100, deadline=None)
def test_anything_is_a_body_or_a_refusal(encoding: Encoding, junk: bytes) -> None:
    """Never another exception."""
    try:
        unpacked(junk, encoding)
    except Refusal as refusal:
        assert refusal.kind in (BAD_DATA, TOO_LARGE)


@packed
def test_the_limit_is_exact(encoding: Encoding) -> None:
    """So many bytes and not one more."""
    assert len(unpacked(PACK[encoding](bytes(LIMIT)), encoding)) == LIMIT
    assert refused(PACK[encoding](bytes(LIMIT + 1)), encoding).kind is TOO_LARGE


def test_zstd_frames_to_skip_are_skipped() -> None:
    """They hold something for somebody else."""
    extra = struct.pack("<II", 0x184D2A53, 5) + b"hello"
    assert unpacked(extra + zstandard.compress(b"content") + extra, "zstd") == b"content"
    assert refused(zstandard.compress(b"content") + extra[:-1], "zstd").kind is BAD_DATA


def test_zstd_gets_no_larger_window_than_a_body_may_be() -> None:
    """A frame of a few bytes may ask for gigabytes of memory."""
    parameters = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    assert refused(compressor.compress(b"x") + compressor.flush(), "zstd").kind is BAD_DATA


def test_inflating_asks_for_room() -> None:
    """So that a few small bodies cannot fill the memory either."""
    room = Room(100_000)
    with Lease(room) as other, Lease(room) as lease:
        other.claim(60_000)
        with pytest.raises(Refusal) as raised:
            inflate(gzip.compress(bytes(50_000)), "gzip", 1 << 20, lease.claim)
        assert raised.value.kind is LATER
    assert room.used == 0


@pytest.mark.parametrize(
    ("header", "expected"), [(b"", "identity"), (b"identity", "identity"), (b" GZIP ", "gzip"), (b"zstd", "zstd")]
)
def test_encodings_in_any_case(header: bytes, expected: str) -> None:
    """None at all is identity."""
    assert encoding_of(header) == expected


@pytest.mark.parametrize("header", [b"br", b"gzip, gzip", b"\xff", b"gz"])
def test_unknown_encodings_are_refused_with_those_that_are_known(header: bytes) -> None:
    """In words, and in the header that HTTP has for it."""
    with pytest.raises(Refusal) as raised:
        encoding_of(header)
    assert raised.value.kind.status == 415
    assert raised.value.headers == ((b"accept-encoding", b"identity, gzip, deflate, zstd"),)


@pytest.mark.parametrize(
    ("header", "expected"),
    [(b"application/json", True), (b"Application/JSON; charset=utf-8", True), (b"application/x-protobuf", False)],
)
def test_content_types(header: bytes, expected: bool) -> None:
    """In any case, with or without parameters."""
    assert is_json(header) is expected


def test_broken_items_are_left_out_and_the_rest_is_the_same_bytes() -> None:
    """In whichever resource and scope they are."""
    good, bad = span(), span(text="broken")
    whole, without = traces(good, bad, good), traces(good, good)
    for each in (whole, without):
        each.resource_spans.add().scope_spans.add(spans=[good])
    kept, broken = without_broken(whole.SerializeToString(), lambda item: b"broken" not in item)
    assert (kept, broken) == (without.SerializeToString(), 1)


@given(junk=st.binary(max_size=200))
def test_anything_is_fields_or_no_fields(junk: bytes) -> None:
    """Junk raises ValueError and nothing else, and what is kept is never more than there was."""
    try:
        kept, broken = without_broken(junk, lambda item: True)
    except ValueError:
        return
    assert (kept, broken) == (junk, 0)


@given(content=st.binary(max_size=70_000))
@settings(max_examples=20)
def test_a_frame_is_what_protobuf_makes(content: bytes) -> None:
    """Length and number as its own encoder writes them."""
    from google.rpc.status_pb2 import Status

    text = content.hex()
    assert framed(2, text.encode()) == (Status(message=text).SerializeToString() or b"\x12\x00")
