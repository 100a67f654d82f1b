"""Whatever is sent, nothing breaks: tokens, feedback, OTLP, and all that is asked for beside.

The short form does the same few hundred things in every run. The long one goes on for RLHF_OTEL_FUZZ_S seconds a test
(300 unless it is set), from another seed each time, which it tells where something is found.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from rlhf_otel import keys
from rlhf_otel.records import Handle
from rlhf_otel.token import InvalidToken, mint, unverified, verify
from tests.browser.test_hostile import SHAPES, call
from tests.conformance.messages import logs, metrics, span, traces
from tests.fuzz.house import OWNER, House
from tests.fuzz.mutations import TEXTS, WORDS, damaged, strange

KEY = "a secret of these tests"
CALL = Handle("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", None, 1_790_000_000_000_000_000)
LONG_S = float(os.environ.get("RLHF_OTEL_FUZZ_S", "300"))
READ = ("/", "/api/interactions", "/api/feedback", "/api/stats")
ANSWERS = {200, 202, 204, 303, 400, 401, 403, 404, 405, 408, 413, 415, 429, 503}
JSON, PROTOBUF = {"content-type": b"application/json"}, {"content-type": b"application/x-protobuf"}


def rounds(count: int, long: bool) -> Iterator[random.Random]:
    """What chance decides, round after round: the same each time, or for as long as is asked for."""
    if not long:
        for number in range(count):
            yield random.Random(number)
        return
    end, seed, done = time.monotonic() + LONG_S, time.time_ns(), 0
    while time.monotonic() < end:
        yield random.Random(seed + done)
        done += 1
    print(f"{done} rounds from seed {seed} in {LONG_S:g} s")


each_length = pytest.mark.parametrize(
    "long", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["short", "long"]
)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A server; in the end it has logged no fault, and all that it has taken can be read."""
    monkeypatch.setenv("RLHF_OTEL_TOKEN_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    keys.forget()
    made = House(tmp_path / "store.db")
    yield made
    for path in READ:
        reply = made.ask("GET", path, headers={**OWNER, "accept": b"text/html"}, query=b"limit=200" * ("api/i" in path))
        assert reply.status == 200, (path, reply.body)
    for one in made.store.interactions():
        assert made.ask("GET", f"/calls/{one.span_id}", headers=OWNER).status in (200, 404)
    made.close()
    keys.forget()
    assert made.faults.said == []


@each_length
def test_no_bent_token_is_taken(long: bool) -> None:
    """Every one is refused with a reason, and nothing but that is raised."""
    whole = [
        mint(CALL, key=KEY),
        mint(CALL, rater="u1", names=["accuracy", "tone"], key=KEY),
        mint(CALL, ttl=1, key=KEY),
    ]
    for rng in rounds(3000, long):
        text = damaged(rng, rng.choice(whole).encode()).decode("utf-8", rng.choice(("replace", "surrogateescape")))
        if text in whole:
            continue
        with pytest.raises(InvalidToken):
            verify(text, KEY)
        with contextlib.suppress(InvalidToken):
            unverified(text)


def opinions() -> list[dict[str, Any]]:
    """Feedback of every kind, as pages send it."""
    token = mint(CALL, key=KEY)
    other = mint(Handle(CALL.trace_id, "00f067aa0ba902b8"), key=KEY)
    one: list[dict[str, Any]] = [
        {"token": token, "value": True, "comment": "fine", "id": "a"},
        {"token": token, "value": 4, "scale": [1, 5], "name": "helpfulness", "step": 1, "metadata": {"a": [1, {}]}},
        {"token": token, "correction": "better", "range": [0, 3], "quote": "abc"},
        {"token": token, "signal": "copy"},
        {"token": token, "signal": "edit", "correction": "edited"},
        {"token": token, "value": "rude", "kind": "categorical", "label": "rude"},
        {"chosen": token, "rejected": other, "margin": 2, "position": "first"},
        {"ranking": [token, other]},
        {"span_id": CALL.span_id, "trace_id": CALL.trace_id, "value": 0.5, "rater": "u", "source": "annotator"},
        {"session": "s", "turn": 0, "value": False, "annotator_kind": "LLM"},
    ]
    return [*one, {"feedback": one}]


@each_length
def test_feedback_of_every_strange_kind_is_answered(house: House, long: bool) -> None:
    """202, or a refusal that says why: never a fault, and what was taken can be read again."""
    given = opinions()
    for rng in rounds(400, long):
        body = json.dumps(strange(rng, rng.choice(given))).encode()
        if rng.random() < 0.3:
            body = damaged(rng, body)
        method, path = rng.choice(
            (("POST", ""), ("POST", ""), ("PUT", "/a"), ("DELETE", "/a"), ("PUT", "/" + rng.choice(TEXTS)))
        )
        who = rng.choice(({}, {}, OWNER, {"authorization": damaged(rng, b"Bearer " + mint(CALL, key=KEY).encode())}))
        kind = rng.choice((b"application/json", b"text/plain", b"application/json; charset=utf-8", b"text/html"))
        reply = house.ask(method, f"/v1/feedback{path}", body, {"content-type": kind, **who})
        assert reply.status in ANSWERS - {503}, (reply, body)


def test_whatever_is_written_has_a_page(house: House) -> None:
    """And stands in the list, as text of any kind may come from a model."""
    pairs = [call(number, text) for number, text in enumerate(SHAPES)]
    house.store.add([one for one, _ in pairs], [given for _, given in pairs])
    for one, _ in pairs:
        for path in (f"/calls/{one.span_id}", f"/api/interactions/{one.span_id}"):
            assert house.ask("GET", path, headers=OWNER).status == 200


def requests(rng: random.Random) -> tuple[str, Any]:
    """A request of one of the signals, with everything that one may have."""
    said = json.dumps(
        [{"role": "user", "parts": [{"type": "text", "content": "Hi"}, {"type": "tool_call", "name": "f"}]}]
    )
    signal = rng.choice(("traces", "traces", "logs", "metrics"))
    if signal != "traces":
        return signal, logs() if signal == "logs" else metrics()
    attributes = {"gen_ai__input__messages": said, "gen_ai__output__messages": said, "gen_ai__usage__input_tokens": 3,
                  "session__id": "s", "rlhf__stream__chunks": 2, "gen_ai__response__finish_reasons": "stop",
                  "rlhf__consent": "train", "llm__input_messages__0__message__content": "x",
                  "input__value": "{}"}  # fmt: skip
    return signal, traces(span(**{name: value for name, value in attributes.items() if rng.random() < 0.6}), span())


@each_length
def test_otlp_of_every_strange_kind_is_answered(house: House, long: bool) -> None:
    """In protobuf and in JSON, bent in its bytes and in what they mean; what was taken can be read again."""
    for rng in rounds(300, long):
        signal, request = requests(rng)
        as_json = rng.random() < 0.5
        if as_json:
            told = MessageToDict(request)
            body = json.dumps(strange(rng, told) if rng.random() < 0.8 else told).encode()
        else:
            body = request.SerializeToString()
        if not as_json or rng.random() < 0.2:
            body = damaged(rng, body)
        encoding = {"content-encoding": rng.choice((b"gzip", b"zstd", b"deflate", b"br"))} if rng.random() < 0.1 else {}
        headers = {**(JSON if as_json else PROTOBUF), **OWNER, **encoding}
        reply = house.ask("POST", f"/v1/{signal}", body, headers)
        assert reply.status in ANSWERS - {503}, (reply, body)


@each_length
def test_whatever_is_asked_for_is_answered(house: House, long: bool) -> None:
    """Paths, queries, forms and headers of every kind, from nobody and from the owner."""
    house.ask("POST", "/v1/traces", traces(span()).SerializeToString(), {**PROTOBUF, **OWNER})
    paths = [*READ, "/calls/00f067aa0ba902b7", "/login", "/logout", "/static/base.css", "/healthz"]
    queries = [
        b"limit=5&has_feedback=true",
        b"before=1790000000000000000-00f067aa0ba902b7",
        b"session=s&model=m",
        b"code=x",
    ]
    for rng in rounds(400, long):
        path, query = rng.choice(paths), rng.choice(queries)
        bend: Callable[[bytes], bytes] = lambda raw, rng=rng: damaged(rng, raw) if rng.random() < 0.5 else raw  # noqa: E731
        headers = {"host": bend(b"127.0.0.1"), "accept": rng.choice((b"text/html", b"*/*", b""))}
        headers |= OWNER if rng.random() < 0.5 else {"authorization": bend(b"Bearer rls_xyz")}
        headers |= {"cookie": bend(b"rlhf-otel-session-4318=abc; x=1")} if rng.random() < 0.3 else {}
        headers |= {"origin": bend(b"http://127.0.0.1")} if rng.random() < 0.3 else {}
        headers |= {"content-length": rng.choice((b"5", b"-1", b"x", b"9" * 30, b""))} if rng.random() < 0.1 else {}
        method = rng.choice(("GET", "GET", "GET", "HEAD", "POST", "PUT", "OPTIONS", "", "GET\x00"))
        body = bend(b"token=rls_x&x=" + rng.choice(WORDS)) if method == "POST" else b""
        asked = bend(path.encode()).decode("utf-8", "replace")
        reply = house.ask(method, asked, body, headers, bend(query))
        assert reply.status in ANSWERS, (reply, asked, query, headers)
