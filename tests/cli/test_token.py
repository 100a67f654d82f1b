"""`rlhf-otel token`: minted, looked at, verified, and signed with a new key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rlhf_otel import keys
from rlhf_otel.store import Store
from rlhf_otel.token import verify

from .conftest import GOOD, UNSEEN


@pytest.fixture(autouse=True)
def unknown():
    """No secret is remembered from elsewhere."""
    keys.forget()
    yield
    keys.forget()


def test_a_token_of_a_call_in_the_store(run, store):
    """It has the trace and the start that the store knows, also by the response id."""
    with Store.open(store, read_only=True) as opened:
        call = opened.interaction(GOOD).handle
    for target in (GOOD, call.traceparent, call.response_id):
        ended = run("token", target, "--store", store, "--rater", "u1", "--names", "user_feedback, accuracy")
        assert ended.exit_code == 0
        claims = verify(ended.stdout.strip(), (Path(store).parent / "token.key").read_bytes().strip())
        assert (claims.trace_id, claims.span_id, claims.start_ns) == (call.trace_id, GOOD, call.start_ns)
        assert (claims.is_for("u1"), claims.names) == (True, ("user_feedback", "accuracy"))


def test_a_token_of_an_unknown_call(run, monkeypatch):
    """A span id alone will do, with no store at all."""
    monkeypatch.setenv("RLHF_OTEL_TOKEN_KEY", "k" * 16)
    assert verify(run("token", UNSEEN).stdout.strip()).span_id == UNSEEN
    assert "there is no store" in run("token", "chatcmpl-1").stderr


def test_looking_at_a_token(run, monkeypatch):
    """`--verify` says what it permits, in words or as JSON."""
    monkeypatch.setenv("RLHF_OTEL_TOKEN_KEY", "k" * 16)
    made = run("token", GOOD, "--ttl", "12h", "--names", "tone").stdout.strip()
    told = json.loads(run("token", "--verify", made, "--json").stdout)
    assert (told["valid"], told["span_id"], told["names"], told["rater"]) == (True, GOOD, ["tone"], None)
    lines = run("token", "--show", made).stdout.splitlines()
    assert "rater     anybody" in lines
    assert "names     tone" in lines


def test_a_token_that_is_none(run, monkeypatch):
    """`--verify` fails and says why; `--show` shows what another key has signed."""
    monkeypatch.setenv("RLHF_OTEL_TOKEN_KEY", "k" * 16)
    made = run("token", GOOD).stdout.strip()
    monkeypatch.setenv("RLHF_OTEL_TOKEN_KEY", "l" * 16)
    keys.forget()
    ended = run("token", "--verify", made, "--json")
    assert (ended.exit_code, json.loads(ended.stdout)) == (1, {"valid": False, "reason": "signature"})
    assert "signed with another key" in ended.stderr
    assert GOOD in run("token", "--show", made).stdout
    assert run("token", "--verify", "rlt_x").exit_code == 1


def test_a_new_key(run, monkeypatch):
    """It goes into the key file; where the keys are in the variable there is no file to write."""
    before = run("token", GOOD).stdout.strip()
    assert "a new key signs from now on" in run("token", "--new-key").stdout
    assert len(Path(".rlhf-otel/token.key").read_text().split()) == 2
    assert run("token", "--verify", before).exit_code == 0
    monkeypatch.setenv("RLHF_OTEL_TOKEN_KEY", "k" * 16)
    keys.forget()
    assert "put a new one in front of it" in run("token", "--new-key").stderr


@pytest.mark.parametrize(
    "words", [(), (GOOD, "--new-key"), ("nonsense",), (GOOD, "--ttl", "soon"), (GOOD, "--names", "x" * 600)]
)
def test_asked_for_wrongly(run, words):
    """Exit code 2, with what is expected."""
    assert run("token", *words).exit_code == 2


def test_a_weak_key(run, monkeypatch):
    """A secret that can be guessed is refused, in a line."""
    monkeypatch.setenv("RLHF_OTEL_TOKEN_KEY", "short")
    ended = run("token", GOOD)
    assert (ended.exit_code, "at least 16 bytes" in ended.stderr) == (2, True)


def test_the_key_is_not_printed(run, monkeypatch):
    """`rlhf-otel config` says that there is one, and not which."""
    monkeypatch.setenv("RLHF_OTEL_TOKEN_KEY", "a secret of ours")
    ended = run("config")
    assert "RLHF_OTEL_TOKEN_KEY" in ended.stdout
    assert "a secret of ours" not in ended.stdout
