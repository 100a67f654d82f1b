"""Files that are sent to a model are told of by size, type and hash, and left as they are."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import tracemalloc
from types import SimpleNamespace

import pytest

from rlhf_otel.instrumentation import uploads
from rlhf_otel.instrumentation.uploads import LARGEST_HASHED, content_of, described
from rlhf_otel.testing import Reply

DATA = b"RIFF" * 1000
HASH = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


def part(uri=HASH, size=4000, **more):
    made = {"type": "uri", "modality": "audio", "uri": uri}
    return {**made, **({} if size is None else {"byte_size": size}), **more}


@pytest.fixture
def on_disk(tmp_path):
    path = tmp_path / "speech.mp3"
    path.write_bytes(DATA)
    with path.open("rb") as opened:
        yield opened


def test_each_form_of_a_file_is_described():
    """Bytes, tuples with a name or a type, and files in memory come out the same."""
    named = io.BytesIO(DATA)
    named.name = "speech.mp3"
    assert described("audio", DATA) == part()
    assert described("audio", ("speech.mp3", DATA)) == part(mime_type="audio/mpeg")
    assert described("audio", ("x", DATA, "audio/ogg", {"h": "1"})) == part(mime_type="audio/ogg")
    assert described("audio", named) == part(mime_type="audio/mpeg")
    assert described("audio", (None, io.BytesIO(DATA))) == part()


def test_a_file_on_disk_stays_where_it_was_read_to(on_disk):
    """The application's position in its file is the same before and after."""
    on_disk.read(7)
    assert described("audio", on_disk) == part(mime_type="audio/mpeg")
    assert on_disk.tell() == 7
    assert content_of(on_disk, 10_000) == DATA
    assert on_disk.read() == DATA[7:]


def test_what_can_only_be_read_once_is_not_read():
    """A pipe, and a file that reading would move to disk, are named by their type."""
    inlet, outlet = os.pipe()
    with os.fdopen(inlet, "rb") as pipe, os.fdopen(outlet, "wb") as sender:
        sender.write(b"ab")
        sender.flush()
        assert described("audio", ("a.wav", pipe, "audio/wav")) == part("", None, mime_type="audio/wav")
        assert content_of(pipe, 100) is None
        sender.close()
        assert pipe.read() == b"ab"
    with tempfile.SpooledTemporaryFile() as spooled:
        spooled.write(DATA)
        assert described("audio", spooled) == part("", None)
        assert not spooled._rolled


@pytest.mark.parametrize("size", [LARGEST_HASHED, LARGEST_HASHED + 1])
def test_large_files_are_told_by_their_size(size, tmp_path):
    """Beyond the limit nothing is hashed, in memory or on disk, and nothing is copied."""
    path = tmp_path / "large"
    path.write_bytes(bytes(size))
    data = bytes(size)
    tracemalloc.start()
    with path.open("rb") as opened:
        made = [described("audio", data), described("audio", opened)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [one["byte_size"] for one in made] == [size, size]
    assert [bool(one["uri"]) for one in made] == [size <= LARGEST_HASHED] * 2
    assert peak < 4 * 1024 * 1024
    assert content_of(data, size - 1) is None


def test_a_closed_file_is_harmless(on_disk):
    """What the SDK will refuse is described as far as it goes."""
    on_disk.close()
    assert described("audio", on_disk) == part("", None, mime_type="audio/mpeg")


def test_fields_are_copied():
    """What the application changes later is not seen, and what it added to the body is."""

    options = SimpleNamespace(json_data={"model": "m", "languages": ["en"]}, extra_json={"seed": 1})
    made = uploads.fields(options)
    options.json_data["languages"].append("fr")
    assert made == {"model": "m", "languages": ["en"], "seed": 1}


def test_an_upload_is_not_on_the_span(llm, clients, captured, on_disk):
    """A real transcription of an open file: the server gets all of it, the span its hash."""
    llm.script(Reply(text="Hello."))
    clients["openai", "sync"].audio.transcriptions.create(model="whisper-1", file=on_disk)
    (request,) = llm.requests
    assert request.files["file"] == DATA
    (span,) = captured.spans
    (message,) = json.loads(span.attributes["gen_ai.input.messages"])
    assert message["parts"] == [part(mime_type="audio/mpeg")]
