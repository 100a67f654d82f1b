"""The format of segments: what is written comes back, and damage costs no more than what was damaged."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rlhf_otel.export.spool import frames
from rlhf_otel.export.spool.frames import Damage, Frame

PAYLOADS = [b"first", b"second" * 20, b"", b"third" + frames.MAGIC + b"not a frame"]
WHOLE = [frames.frame(frames.SPANS, payload) for payload in PAYLOADS]


def payloads(data: bytes) -> list[bytes]:
    return [each.payload for each in frames.frames(data) if isinstance(each, Frame)]


def damage(data: bytes) -> list[Damage]:
    return [each for each in frames.frames(data) if isinstance(each, Damage)]


def test_what_is_written_comes_back():
    """Kind, payload and place of each frame, in order."""
    data = frames.frame(frames.FEEDBACK, b"a") + frames.frame(frames.SPANS | frames.LOCAL, b"bc")
    assert list(frames.frames(data, 100)) == [Frame(3, b"a", 100, 114), Frame(17, b"bc", 114, 129)]


def test_a_damaged_byte_costs_one_frame():
    """Whichever byte of a frame is another one, all other frames come back."""
    start = len(WHOLE[0])
    for offset in range(len(WHOLE[1])):
        data = bytearray(b"".join(WHOLE))
        data[start + offset] ^= 0x55
        assert payloads(bytes(data)) == [PAYLOADS[0], *PAYLOADS[2:]], offset
        assert [each.is_torn for each in damage(bytes(data))] == [False]


def test_several_damaged_frames_are_counted_apart():
    """Two frames in a row with a wrong checksum are two."""
    data = bytearray(b"".join(WHOLE))
    data[len(WHOLE[0]) - 1] ^= 1
    data[len(WHOLE[0]) + len(WHOLE[1]) - 1] ^= 1
    assert payloads(bytes(data)) == PAYLOADS[2:]
    assert len(damage(bytes(data))) == 2


def test_a_frame_that_was_not_written_to_its_end_ends_the_segment():
    """Wherever the write was cut short, what stands before comes back."""
    data = b"".join(WHOLE[:3])
    for end in range(len(WHOLE[0]) + 1, len(WHOLE[0]) + len(WHOLE[1])):
        assert payloads(data[:end]) == [PAYLOADS[0]]
        assert [each.is_torn for each in damage(data[:end])] == [True]


def test_the_last_frame_may_be_the_damaged_one():
    """A wrong checksum at the very end is no torn write."""
    data = bytearray(b"".join(WHOLE[:2]))
    data[-1] ^= 1
    assert payloads(bytes(data)) == [PAYLOADS[0]]
    assert [each.is_torn for each in damage(bytes(data))] == [False]


@given(st.binary(max_size=400), st.integers(0, 3))
def test_nothing_in_a_file_raises(noise, place):
    """Noise before, between and behind frames is skipped, and everything that is whole is found."""
    data = b"".join(WHOLE[:place]) + noise + b"".join(WHOLE[place:])
    found = payloads(data)
    assert found[:place] == PAYLOADS[:place]
    assert [each for each in PAYLOADS[place:] if each not in found] == []


def test_the_header_says_where_to():
    """A header is read back; what is none, or is of a version that nobody knows yet, is not taken for one."""
    header = frames.header(["store /x"])
    assert frames.header_of(header + WHOLE[0]) == ({"version": 1, "to": ["store /x"]}, len(header))
    strange = (b'{"version": 2, "to": []}', b'{"version": 1}', b"[]", b"{", b"\xff")
    assert [frames.header_of(frames.frame(frames.HEADER, said)) for said in strange] == [None] * 5
    assert frames.header_of(WHOLE[0]) is None
    assert frames.header_of(b"") is None
