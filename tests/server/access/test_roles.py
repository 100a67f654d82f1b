"""Who may do what: every role at every door."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rlhf_otel.server.access import ROLES
from rlhf_otel.server.pages import PAGES
from tests.conformance.messages import span, traces
from tests.server.access.conftest import Place
from tests.server.access.visiting import CALL, READ, ask, bearer, filled, logged_in
from tests.server.process import Serve

RATING = json.dumps({"span_id": CALL.span_id, "trace_id": CALL.trace_id, "value": True}).encode()
PROTOBUF = {"Content-Type": "application/x-protobuf"}
BASIC = "Basic YWRtaW46YWRtaW4="


def test_the_list_of_what_is_read_is_whole() -> None:
    """Every page that asks for a right is among those that these tests ask for, or changes something."""
    read = {page.path.replace("{span_id}", CALL.span_id) for page in PAGES if page.right == "read"}
    assert read - {"/logout"} == set(READ)
    assert {page.path for page in PAGES if page.right is None} == {"/login"}


@pytest.mark.parametrize("path", READ)
def test_nobody_reads_without_showing_who_they_are(place: Place, path: str) -> None:
    """401 with nothing of a call in it, also on this machine: for people a page to log in on."""
    for headers in (
        {},
        {"Authorization": BASIC},
        {"Cookie": "rlhf-otel-session-0=x; other=1"},
        {"Accept": "text/html"},
    ):
        answer = ask(place.url, path, headers=headers)
        assert (answer.status, b"canary-7141" in answer.body) == (401, False)
        assert answer.headers["www-authenticate"] == "Bearer"
        as_page = "Accept" in headers and not path.startswith("/api/")
        assert (b"<h1>Log in</h1>" in answer.body) == as_page


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", READ)
def test_who_may_read_reads(place: Place, path: str, role: str) -> None:
    """Admin, annotator and reader; an application that sends gets 403, whatever it has sent."""
    answer = ask(place.url, path, headers=bearer(place.tokens[role]))
    assert answer.status == (403 if role == "ingest" else 200)
    if role == "ingest":
        assert b"canary-7141" not in answer.body


@pytest.mark.parametrize("role", ROLES)
def test_who_may_send_sends(place: Place, role: str) -> None:
    """Admin and ingest; with another token nothing is taken, for good."""
    body = traces(span()).SerializeToString()
    answer = ask(place.url, "/v1/traces", "POST", body, {**PROTOBUF, **bearer(place.tokens[role])})
    assert answer.status == (200 if role in ("admin", "ingest") else 403)


@pytest.mark.parametrize("role", ROLES)
def test_who_may_rate_rates(place: Place, role: str) -> None:
    """All but the reader, by the ids of the call and without a token of it."""
    answer = ask(place.url, "/v1/feedback", "POST", RATING,
                 {"Content-Type": "application/json", **bearer(place.tokens[role])})  # fmt: skip
    assert answer.status == (403 if role == "reader" else 202)


def test_the_first_token_for_sending_closes_the_door_to_others(tmp_path: Path) -> None:
    """Until then anybody on this machine may send, as the specification's defaults have it; reading was never open."""
    path = tmp_path / "store.db"
    body = traces(span()).SerializeToString()
    with Serve(path) as server:
        assert ask(server.url, "/v1/traces", "POST", body, PROTOBUF).status == 200
        assert ask(server.url, "/v1/traces", "POST", body, {**PROTOBUF, **bearer("of another backend")}).status == 200
    filled(path)
    with Serve(path) as server:
        assert ask(server.url, "/v1/traces", "POST", body, PROTOBUF).status == 401
        assert ask(server.url, "/v1/traces", "POST", body, {**PROTOBUF, **bearer("wrong")}).status == 401


@pytest.mark.parametrize(
    "wrong", ["", "rls_", "rls_" + "A" * 43, "x" * 5000, "ünïcode", "rlt_" + "A" * 87, "null", "../../etc/passwd",
              "' OR 1=1 --", "{{7*7}}", "%00", "Bearer"],
)  # fmt: skip
def test_a_token_of_any_wrong_kind_opens_nothing(place: Place, wrong: str) -> None:
    """401, or 429 once there were many; never 500, and nothing of the token in the answer."""
    headers = {"Authorization": f"Bearer {wrong}".encode().decode("latin-1")}
    answer = ask(place.url, "/api/stats", headers=headers)
    assert answer.status in (401, 429)
    assert len(wrong) < 5 or wrong.encode() not in answer.body


def test_a_token_is_told_from_one_that_is_nearly_it(place: Place) -> None:
    """In every character."""
    token = place.tokens["reader"]
    near = [token[:-1], f"{token}A", token.swapcase(), f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}", token[1:]]
    assert {ask(place.url, "/api/stats", headers=bearer(each)).status for each in near} <= {401, 429}
    assert ask(place.url, "/api/stats", headers=bearer(token)).status == 200


def test_a_session_is_no_token_and_a_token_no_session(place: Place) -> None:
    """What a browser holds is of no use in a header, nor the other way round."""
    cookie = logged_in(place.url, place.tokens["reader"])["Cookie"]
    name, _, secret = cookie.partition("=")
    assert ask(place.url, "/api/stats", headers=bearer(secret)).status in (401, 429)
    assert ask(place.url, "/api/stats", headers={"Cookie": f"{name}={place.tokens['reader']}"}).status == 401
    assert ask(place.url, "/api/stats", headers={"Cookie": cookie}).status == 200


def test_the_hash_of_a_token_is_no_token(place: Place) -> None:
    """Who steals the store cannot come in with what is in it."""
    import hashlib

    stolen = hashlib.sha256(place.tokens["admin"].encode()).hexdigest()
    assert ask(place.url, "/api/stats", headers=bearer(stolen)).status in (401, 429)


def test_a_token_that_is_made_or_revoked_while_it_runs_is_noticed(place: Place) -> None:
    """Within a second, and sessions go with their token."""
    import time

    from click.testing import CliRunner

    from rlhf_otel.cli.main import cli

    def run(*words: str) -> str:
        result = CliRunner().invoke(cli, ["token", *words, "--store", str(place.path)])
        assert result.exit_code == 0, result.output
        return result.stdout.strip()

    token = run("create", "--role", "reader", "--name", "ada")
    time.sleep(1.1)
    assert ask(place.url, "/api/stats", headers=bearer(token)).status == 200
    session = logged_in(place.url, token)
    assert ask(place.url, "/api/stats", headers=session).status == 200
    run("revoke", "ada")
    time.sleep(1.1)
    assert ask(place.url, "/api/stats", headers=bearer(token)).status in (401, 429)
    assert ask(place.url, "/api/stats", headers=session).status == 401
