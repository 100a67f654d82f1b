"""Where the secrets that sign tokens come from."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rlhf_otel import hooks, keys
from rlhf_otel.config import load
from rlhf_otel.records import Handle
from rlhf_otel.token import InvalidToken, verify

CALL = Handle("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")


@pytest.fixture(autouse=True)
def unknown(monkeypatch):
    """No secret is remembered from elsewhere."""
    monkeypatch.setattr(hooks, "settings", None)
    monkeypatch.setattr(keys, "_for_this_process", ())
    keys.forget()
    yield
    keys.forget()


def test_the_variable(monkeypatch):
    """The first secret in it signs, all verify, and no file is made."""
    monkeypatch.setenv("RLHF_OTEL_TOKEN_KEY", "the older secret of two")
    before = CALL.token()
    monkeypatch.setenv("RLHF_OTEL_TOKEN_KEY", "the newer secret of two, the older secret of two")
    keys.forget()
    assert verify(before).span_id == verify(CALL.token()).span_id == CALL.span_id
    assert verify(CALL.token(), "the newer secret of two").span_id == CALL.span_id
    assert list(Path().iterdir()) == []


def test_a_file_beside_the_store():
    """Without a variable a secret is made, once, that only its owner can read."""
    made = CALL.token()
    path = Path(".rlhf-otel/token.key")
    assert os.name != "posix" or stat.S_IMODE(path.stat().st_mode) == 0o600
    keys.forget()
    assert verify(made).span_id == CALL.span_id
    assert [each.name for each in path.parent.iterdir()] == ["token.key"]


def test_beside_the_store_in_use(monkeypatch, tmp_path):
    """The file follows the setting `store`, also where code gave it."""
    monkeypatch.setattr(hooks, "settings", load({"store": str(tmp_path / "elsewhere" / "calls.db")}))
    CALL.token()
    assert (tmp_path / "elsewhere" / "token.key").exists()


def test_another_process_verifies():
    """What one process has signed another verifies, from the same folder."""
    code = f"from rlhf_otel.token import verify; print(verify({CALL.token()!r}).span_id)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == f"{CALL.span_id}\n"


def test_many_at_once_make_one():
    """Of several that make the file at the same time one wins, and all sign with its secret."""
    made: list[bytes] = []
    threads = [threading.Thread(target=lambda: made.append(next(iter(keys._made().values())))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(made) == {Path(".rlhf-otel/token.key").read_bytes().strip()}


def test_a_new_key_in_the_file():
    """It signs from then on; the last two before it still verify, an older one no longer."""
    tokens = [CALL.token()]
    for _ in range(3):
        keys.add_to_file()
        tokens.append(CALL.token())
    assert [verify(each).span_id for each in tokens[1:]] == [CALL.span_id] * 3
    with pytest.raises(InvalidToken):
        verify(tokens[0])


def test_a_new_key_of_another_process(monkeypatch):
    """A token that is signed with a key which has just come into the file is accepted."""
    CALL.token()
    known = keys._cached
    keys.add_to_file()
    signed_elsewhere = CALL.token()
    monkeypatch.setattr(keys, "_cached", (known[0] - keys._RETRY_S, known[1]))
    assert verify(signed_elsewhere).span_id == CALL.span_id


def test_a_folder_that_cannot_be_written(caplog, monkeypatch):
    """Tokens then hold for this process, with one line that says so."""
    Path(".rlhf-otel").write_text("in the way")
    made = CALL.token()
    keys.forget()
    assert verify(made).span_id == CALL.span_id
    assert "tokens hold for this process alone" in caplog.text


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_a_file_that_others_can_read(caplog):
    """It is used, and a line says what to do."""
    CALL.token()
    Path(".rlhf-otel/token.key").chmod(0o644)
    keys.forget()
    CALL.token()
    assert "can be read by others; `chmod 600` it" in caplog.text
