"""How a person comes in, stays in, and leaves."""

from __future__ import annotations

import re
import sqlite3
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from rlhf_otel.server.access import Principal
from rlhf_otel.server.access.credentials import issue
from rlhf_otel.store import Store
from tests.server.access.conftest import Place
from tests.server.access.visiting import ask, audited, bearer, filled, logged_in
from tests.server.process import Serve


def code_of(path: Path, ttl_s: float = 60, role: str = "reader") -> str:
    """The address of a login, as `rlhf-otel token login` makes one."""
    with Store.open(path) as store:
        return f"/login?code={issue(store, 'login', Principal('ada', role), ttl_s)}"


def test_the_url_that_is_printed_opens_a_session(tmp_path: Path) -> None:
    """Once; it says who came in, and the cookie is for this server alone."""
    path = tmp_path / "store.db"
    filled(path)
    with Serve(path) as server:
        address = urlsplit(server.login)
        answer = ask(server.url, f"{address.path}?{address.query}")
        assert answer.status == 200
        assert ask(server.url, "/", headers={"Cookie": answer.cookie}).status == 200
        told = answer.headers["set-cookie"]
        assert re.fullmatch(
            rf"rlhf-otel-session-{server.port}=[\w-]{{43}}; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict", told
        )
        again = ask(server.url, f"{address.path}?{address.query}")
        assert (again.status, again.headers["set-cookie"], "used up or too old" in again.text) == (401, None, True)
    assert ("serve", "login", {"role": "admin"}) in audited(path)


def test_a_login_that_is_too_old_opens_nothing(place: Place) -> None:
    """It says so."""
    address = code_of(place.path, ttl_s=0.001)
    assert (ask(place.url, address).status, ask(place.url, address).headers["set-cookie"]) == (401, None)


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Purpose": "prefetch"}, {"Purpose": "prefetch"}, {"Sec-Fetch-Mode": "no-cors"}, {"Sec-Fetch-Mode": "cors"}],
    ids=str,
)
def test_a_login_is_not_used_up_by_what_no_person_opens(place: Place, headers: dict[str, str]) -> None:
    """A browser that fetches links ahead, a page that loads it as a picture, a program that asks for the head."""
    address = code_of(place.path)
    assert ask(place.url, address, headers=headers).headers["set-cookie"] is None
    assert ask(place.url, address, "HEAD").headers["set-cookie"] is None
    assert ask(place.url, address).headers["set-cookie"] is not None


def test_two_who_open_a_login_at_once_get_one_session(place: Place) -> None:
    """However close they are."""
    from concurrent.futures import ThreadPoolExecutor

    address = code_of(place.path)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(place.url, address), range(8)))
    assert [answer.headers["set-cookie"] is not None for answer in answers].count(True) == 1


def test_a_token_opens_a_session_with_its_role(place: Place) -> None:
    """And is not in the answer."""
    answer = ask(place.url, "/login", "POST", f"token={place.tokens['annotator']}".encode(), {"Origin": place.url})
    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert place.tokens["annotator"] not in str(answer.headers) + answer.text
    page = ask(place.url, "/", headers={"Cookie": answer.cookie}).text
    assert '<span title="annotator"><bdi>the annotator</bdi></span>' in page


def test_a_token_that_sends_is_not_for_people(place: Place) -> None:
    """The form says which one is."""
    answer = ask(place.url, "/login", "POST", f"token={place.tokens['ingest']}".encode(), {"Origin": place.url})
    assert (answer.status, "role reader" in answer.text, answer.headers["set-cookie"]) == (403, True, None)


def test_leaving_ends_the_session_on_the_server(place: Place) -> None:
    """Not in the browser alone: whoever has kept the cookie gets nothing for it."""
    session = logged_in(place.url, place.tokens["reader"])
    answer = ask(place.url, "/logout", "POST", headers={**session, "Origin": place.url})
    assert (answer.status, answer.headers["location"]) == (303, "/login")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert ask(place.url, "/", headers=session).status == 401


def test_a_session_ends_by_itself(tmp_path: Path) -> None:
    """After the time that the setting says."""
    path = tmp_path / "store.db"
    token = filled(path)["reader"]
    with Serve(path, environ={"RLHF_OTEL_SERVER_SESSION": "0.7"}) as server:
        session = logged_in(server.url, token)
        assert ask(server.url, "/", headers=session).status == 200
        time.sleep(0.8)
        assert ask(server.url, "/", headers=session).status == 401


def test_sessions_outlive_the_server_but_not_its_token(tmp_path: Path) -> None:
    """Those that were opened with RLHF_OTEL_SERVER_TOKEN end with the process: the token may be another one then."""
    path = tmp_path / "store.db"
    token = filled(path)["reader"]
    secret = {"RLHF_OTEL_SERVER_TOKEN": "the-server's-own"}
    with Serve(path, environ=secret) as server:
        port = server.port
        named, own = logged_in(server.url, token), logged_in(server.url, "the-server's-own")
        assert ask(server.url, "/api/stats", headers=own).status == 200
    with Serve(path, environ={"RLHF_OTEL_SERVER_TOKEN": "another"}, port=port) as server:
        assert ask(server.url, "/api/stats", headers=named).status == 200
        assert ask(server.url, "/api/stats", headers=own).status == 401
        assert ask(server.url, "/api/stats", headers=bearer("the-server's-own")).status == 401
        assert ask(server.url, "/api/stats", headers=bearer("another")).status == 200


def test_no_secret_is_in_the_store(place: Place) -> None:
    """Neither a token, nor the code of a login, nor a session: hashes alone, in every file beside it too."""
    code = code_of(place.path).partition("=")[2]
    session = logged_in(place.url, place.tokens["admin"])["Cookie"].partition("=")[2]
    held = b"".join(file.read_bytes() for file in place.path.parent.iterdir())
    assert not [secret for secret in (code, session, *place.tokens.values()) if secret.encode() in held]
    connection = sqlite3.connect(place.path)
    assert {len(row[0]) for row in connection.execute("SELECT hash FROM credential")} == {32}
    connection.close()


def test_who_is_wrong_too_often_has_to_wait(tmp_path: Path) -> None:
    """429 with when to come again, for tokens in the form, in headers and for logins; who is right is not kept out."""
    path = tmp_path / "store.db"
    tokens = filled(path)
    with Serve(path) as server:
        ways = [("/login", "POST", b"token=wrong", {"Origin": server.url}), ("/login?code=wrong", "GET", None, {}),
                ("/api/stats", "GET", None, bearer("wrong"))]  # fmt: skip
        first = [ask(server.url, *ways[number % 3]).status for number in range(10)]
        assert first == [401] * 10
        for way in ways:
            answer = ask(server.url, *way)
            assert answer.status == 429
            assert 0 < int(answer.headers["retry-after"]) <= 60
        assert ask(server.url, "/api/stats", headers=bearer(tokens["reader"])).status == 200


def test_who_asks_too_often_has_to_wait(tmp_path: Path) -> None:
    """By their name, wherever they are; others are answered."""
    path = tmp_path / "store.db"
    tokens = filled(path)
    with Serve(path, environ={"RLHF_OTEL_SERVER_RATE": "5"}) as server:
        statuses = [ask(server.url, "/api/stats", headers=bearer(tokens["reader"])).status for _ in range(6)]
        assert statuses == [200] * 5 + [429]
        assert ask(server.url, "/api/stats", headers=bearer(tokens["admin"])).status == 200
        assert ask(server.url, "/healthz").status == 200
