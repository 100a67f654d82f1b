"""Feedback over HTTP, taken by `rlhf-otel serve`: by signed tokens from anywhere, by ids from those who may."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rlhf_otel.records import Feedback, Handle, Interaction
from rlhf_otel.store import Store
from rlhf_otel.token import mint, rater_hash
from tests.server.process import Serve

KEY, SECRET = "a secret of these tests", "the-token-of-the-server"
CALL = Handle("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", None, 1_790_000_000_000_000_000)
OTHER = Handle("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b8")
NO_LIMIT = {"RLHF_OTEL_SERVER_FEEDBACK_PER_ADDRESS": "0"}
ENVIRON = {**NO_LIMIT, "RLHF_OTEL_TOKEN_KEY": KEY}
ANYWHERE = {"Host": "feedback.example.com", "Origin": "https://shop.example.com"}


def send(server: Serve, body: Any, method: str = "POST", path: str = "/v1/feedback", **headers: str) -> Any:
    """Sends a request; status, headers and JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    named = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
    connection.request(method, path, json.dumps(body) if body is not None else None, named)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, response.headers, json.loads(text) if text else None


def token(call: Handle = CALL, **options: Any) -> str:
    """A token that the application has minted."""
    return mint(call, key=KEY, **options)


def kept(path: Path) -> list[Feedback]:
    """What counts on the call."""
    with Store.open(path) as store:
        store.add([Interaction(trace_id=CALL.trace_id, span_id=CALL.span_id, start_ns=CALL.start_ns, end_ns=1)])
        (call,) = store.interactions()
        return store.feedback_on([call])[CALL.span_id]


@pytest.fixture
def open_server(path: Path) -> Iterator[Serve]:
    """One that needs no token, as on a developer's machine."""
    with Serve(path, environ=ENVIRON) as running:
        yield running


@pytest.fixture
def closed_server(path: Path) -> Iterator[Serve]:
    """One that needs a token for everything else."""
    with Serve(path, environ={**ENVIRON, "RLHF_OTEL_SERVER_TOKEN": SECRET}) as running:
        yield running


@pytest.mark.parametrize("which", ["open_server", "closed_server"])
def test_a_page_of_another_origin(which: str, request: pytest.FixtureRequest, path: Path) -> None:
    """Needs neither the server's token nor a name that the server knows; its preflight is answered."""
    server = request.getfixturevalue(which)
    asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "content-type"}
    status, headers, _ = send(server, None, "OPTIONS", **ANYWHERE, **asked)
    assert (status, headers["Access-Control-Allow-Origin"]) == (204, "*")
    status, headers, answer = send(server, {"token": token(rater="u1"), "value": True, "id": "t1"}, **ANYWHERE)
    assert (status, headers["Access-Control-Allow-Origin"]) == (202, "*")
    assert answer == {"id": f"{CALL.span_id}:{rater_hash('u1')}:t1", "status": "accepted"}
    assert [(f.value, f.rater, f.target_start_ns) for f in kept(path)] == [(True, rater_hash("u1"), CALL.start_ns)]


def test_it_is_on_the_disk_when_it_is_accepted(open_server: Serve, path: Path) -> None:
    """A server that is killed the moment after has lost nothing."""
    send(open_server, {"token": token(), "value": True})
    open_server.stop(9)
    assert [f.value for f in kept(path)] == [True]


def test_changed_taken_back_and_several(open_server: Serve, path: Path) -> None:
    """PUT and DELETE by the id, and a batch, as in an application's own server."""
    permit = token(rater="u1")
    assert send(open_server, {"token": permit, "value": True}, "PUT", "/v1/feedback/t1")[0] == 202
    assert send(open_server, {"token": permit}, "DELETE", "/v1/feedback/t1")[0] == 202
    batch = {"feedback": [{"signal": "copy", "token": permit}, {"value": 4, "scale": [1, 5]}]}
    _, _, answer = send(open_server, batch)
    assert [each.get("status") for each in answer["results"]] == ["accepted", None]
    assert [f.kind for f in kept(path)] == ["signal"]


def test_secrets_are_taken_out(open_server: Serve, path: Path) -> None:
    """What a person has pasted into a comment is not written, not even the very token by which they may write it."""
    said = f"my key sk-ant-{'a1b2' * 8} fails at {token()}"
    assert send(open_server, {"token": token(), "value": False, "comment": said})[0] == 202
    assert [f.comment for f in kept(path)] == ["my key [REDACTED:anthropic-key] fails at [REDACTED:rlhf-otel-token]"]


def test_by_an_id_only_who_may(open_server: Serve) -> None:
    """Where no token of the server is set, nobody can be told apart from a page of somebody else."""
    for host in ("127.0.0.1", "evil.example"):
        status, _, answer = send(open_server, {"span_id": CALL.span_id, "value": True}, Host=host)
        assert (status, answer["error"]["code"]) == (401, "token")


def test_by_an_id_with_the_token_of_the_server(closed_server: Serve, path: Path) -> None:
    """An application rates its own calls for its users, and is not held to the limits of a page."""
    body = {"span_id": CALL.span_id, "value": 0.5, "rater": "u7", "source": "agent", "annotator_kind": "LLM"}
    assert send(closed_server, body, Authorization="Bearer another")[0] == 401
    assert send(closed_server, body, Authorization=f"Bearer {SECRET}", Host="serve.internal")[0] == 202
    assert [(f.rater, f.source, f.value) for f in kept(path)] == [("u7", "agent", 0.5)]


def test_a_comparison(open_server: Serve, path: Path) -> None:
    """One answer over another, by a token for each of them."""
    assert send(open_server, {"chosen": token(), "rejected": token(OTHER), "margin": 2})[0] == 202
    assert [(f.kind, f.chosen, f.rejected, f.margin) for f in kept(path)] == [
        ("preference", CALL.span_id, OTHER.span_id, 2)
    ]


def test_the_key_beside_the_store(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Application and server share it where none is set; a new one is taken up, and the old one goes on."""
    from rlhf_otel import config, hooks, keys

    monkeypatch.setattr(hooks, "settings", config.load({"store": str(path)}, environ={}))
    keys.forget()
    try:
        first = mint(CALL)
        with Serve(path, environ=NO_LIMIT) as server:
            assert send(server, {"token": first, "value": True})[0] == 202
            keys.add_to_file()
            statuses = [send(server, {"token": first, "value": True})[0]]
            while statuses[-1] != 202 or len(statuses) < 2:  # a file that has just been read is not read again at once
                statuses.append(send(server, {"token": mint(CALL, rater="u2"), "value": True})[0])
            assert statuses[0] == 202
            assert send(server, {"token": mint(CALL, key="the key of another"), "value": True})[0] == 401
    finally:
        keys.forget()


def test_a_limit_of_writes(path: Path) -> None:
    """One token, and one address, are told when to come again."""
    limits = {"RLHF_OTEL_SERVER_FEEDBACK_PER_TOKEN": "1", "RLHF_OTEL_SERVER_FEEDBACK_PER_ADDRESS": "3"}
    with Serve(path, environ={**ENVIRON, **limits}) as server:
        permits = [token(), token(), token(rater="u1"), token(rater="u2")]
        answers = [send(server, {"token": permit, "value": True}) for permit in permits]
    assert [status for status, _, _ in answers] == [202, 429, 202, 429]
    assert 1 <= int(answers[1][1]["Retry-After"]) <= 60


def test_a_store_that_cannot_be_written(open_server: Serve, path: Path) -> None:
    """Is said as such, so that the page comes again, and nothing is told twice then."""
    with Store.open(path) as store, store._writing():
        status, headers, answer = send(open_server, {"token": token(), "value": True, "id": "t1"})
        assert (status, answer["error"]["code"]) == (503, "unavailable")
        assert int(headers["Retry-After"]) >= 1
    assert send(open_server, {"token": token(), "value": True, "id": "t1"})[0] == 202
    assert [f.value for f in kept(path)] == [True]


def test_it_describes_itself(closed_server: Serve) -> None:
    """The document is there for everybody, as the endpoint is."""
    status, _, document = send(closed_server, None, "GET", "/v1/feedback/openapi.json", **ANYWHERE)
    assert (status, document["openapi"]) == (200, "3.1.0")
    assert {"chosen", "rejected", "ranking"} <= document["components"]["schemas"]["Feedback"]["properties"].keys()
