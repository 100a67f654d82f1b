"""Pages of others, and whoever bends a request: the browser of somebody who has logged in does nothing for them."""

from __future__ import annotations

import socket

import pytest

from tests.conformance.messages import span, traces
from tests.server.access.conftest import Place
from tests.server.access.visiting import CALL, READ, Answer, ask, bearer, logged_in

PROTOBUF = {"Content-Type": "application/x-protobuf"}
ELSEWHERE = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://127.0.0.1.evil.example"},
    {},
]
"""What the browser says, or does not, where a page of somebody else makes a request."""
RATING = b'{"span_id": "00f067aa0ba902b7", "value": false}'


@pytest.mark.parametrize("told", ELSEWHERE, ids=str)
def test_a_page_of_others_changes_nothing(place: Place, told: dict[str, str]) -> None:
    """Even where the browser sends the cookie along, which it does not for SameSite=Strict."""
    session = logged_in(place.url, place.tokens["admin"])
    assert ask(place.url, "/logout", "POST", headers={**session, **told}).status == 403
    rated = ask(place.url, "/v1/feedback", "POST", RATING, {**session, **told, "Content-Type": "text/plain"})
    assert rated.status == 401
    assert ask(place.url, "/login", "POST", b"token=x", told).status == 403
    assert ask(place.url, "/", headers=session).status == 200


@pytest.mark.parametrize("told", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "here"}], ids=str)
def test_our_own_pages_may(place: Place, told: dict[str, str]) -> None:
    """As the browser says, in the new way or the old one."""
    session = logged_in(place.url, place.tokens["annotator"])
    told = {name: place.url if value == "here" else value for name, value in told.items()}
    rated = ask(place.url, "/v1/feedback", "POST", RATING, {**session, **told, "Content-Type": "application/json"})
    assert rated.status == 202
    assert ask(place.url, "/logout", "POST", headers={**session, **told}).status == 303


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "0x7f.1",
                                  "127.0.0.1@evil.example", "evil.example:4318", "localhost,evil.example",
                                  "[::1].evil.example"])  # fmt: skip
def test_a_name_that_leads_here_is_not_ours(place: Place, host: str) -> None:
    """DNS rebinding: neither pages nor JSON nor the form are answered by it, with a session or without."""
    session = logged_in(place.url, place.tokens["admin"])
    for path in (*READ, "/login"):
        answer = ask(place.url, path, headers={**session, "Host": host})
        assert (answer.status, b"canary-7141" in answer.body) == (403, False)


def test_who_shows_a_token_may_use_any_name(place: Place) -> None:
    """A page of others has none."""
    headers = {"Host": "calls.example", **bearer(place.tokens["reader"])}
    assert ask(place.url, "/api/stats", headers=headers).status == 200


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/%2e%2e/__init__.py", "/static/..\\app.py",
     "/static//etc/passwd", "/static/%2fetc%2fpasswd", "/static/../../../../../../etc/passwd", "/static/", "/static",
     "/static/base.css/..", "/static/%00", "/static/base.css%00.html", "/static/....//app.py", "/static/.", "/../etc",
     "//evil.example/%2e%2e", "/static/" + "a/" * 2000, "/static/" + "..%5c" * 9 + "windows/win.ini"],
)  # fmt: skip
def test_no_path_leads_out_of_the_static_files(place: Place, path: str) -> None:
    """404 for every way to write it, to nobody and to an admin."""
    for headers in ({}, bearer(place.tokens["admin"])):
        answer = ask(place.url, path, headers=headers)
        assert answer.status in (401, 404, 405), answer.body
        assert b"root:" not in answer.body and b"import" not in answer.body


@pytest.mark.parametrize(
    "span_id", ["..%2f..%2fapi%2fstats", "00F067AA0BA902B7", "00f067aa0ba902b7%00", "%27%20OR%201=1", "*", "0" * 16,
                "%ff%fe", "00f067aa0ba902b7%0d%0aset-cookie:x=1", "a" * 5000],
)  # fmt: skip
def test_an_id_that_is_none_names_no_call(place: Place, span_id: str) -> None:
    """404, for the page and the JSON."""
    for path in ("/calls", "/api/interactions"):
        answer = ask(place.url, f"{path}/{span_id}", headers=bearer(place.tokens["admin"]))
        assert (answer.status, answer.headers["set-cookie"]) == (404, None)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=-1", "limit=1e3", "limit=%D9%A1", "has_feedback=maybe", "status=fine",
              "before=x", "before=99999999999999999999-00f067aa0ba902b7", "order=asc", "x=%00", "%ff=%ff"],
)  # fmt: skip
def test_a_filter_that_cannot_be_is_named(place: Place, query: str) -> None:
    """400 with the words, never 500."""
    for path in ("/", "/api/interactions"):
        assert ask(place.url, f"{path}?{query}", headers=bearer(place.tokens["admin"])).status == 400


def raw(place: Place, *lines: bytes, body: bytes = b"") -> Answer:
    """What comes back for the bytes of a request as they are."""
    import http.client
    import io

    with socket.create_connection(("127.0.0.1", place.server.port), timeout=10) as connection:
        connection.sendall(b"\r\n".join(lines) + b"\r\nConnection: close\r\n\r\n" + body)
        found = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, rest = found.partition(b"\r\n\r\n")
    first, _, headers = head.partition(b"\r\n")
    return Answer(int(first.split()[1]), http.client.parse_headers(io.BytesIO(headers + b"\r\n\r\n")), rest)


@pytest.mark.parametrize(
    "twice", [b"Host: evil.example", b"Authorization: Bearer x", b"Host: 127.0.0.1"], ids=lambda line: line.decode()
)
def test_a_header_that_is_there_twice_is_refused(place: Place, twice: bytes) -> None:
    """A proxy in front may have looked at the other one."""
    token = b"Authorization: Bearer " + place.tokens["admin"].encode()
    assert raw(place, b"GET /api/stats HTTP/1.1", b"Host: 127.0.0.1", token, twice).status == 400


@pytest.mark.parametrize("name", ["session", "model", "code"])
def test_nothing_that_is_asked_for_becomes_a_header(place: Place, name: str) -> None:
    """A line break in a query, encoded or not, ends no header of the answer."""
    for text in ("a%0d%0aset-cookie:x=1", "a%0aset-cookie:x=1", "a%E5%98%8A%E5%98%8Dset-cookie:x=1"):
        path = f"/login?code={text}" if name == "code" else f"/?{name}={text}"
        answer = ask(place.url, path, headers=bearer(place.tokens["admin"]))
        assert (answer.status < 500, answer.headers["set-cookie"]) == (True, None)


def test_a_body_is_read_no_further_than_it_may_be_long(place: Place) -> None:
    """413 for a page, told or not told how long it is; feedback has less room still."""
    long = b"token=" + b"x" * (1 << 20)
    headers = {"Origin": place.url}
    assert ask(place.url, "/login", "POST", long, headers).status == 413
    chunk = b"%x\r\n%s\r\n" % (len(long), long)
    chunked = raw(place, b"POST /login HTTP/1.1", b"Host: 127.0.0.1", b"Sec-Fetch-Site: same-origin",
                  b"Transfer-Encoding: chunked", body=chunk + b"0\r\n\r\n")  # fmt: skip
    assert chunked.status == 413
    rated = ask(place.url, "/v1/feedback", "POST", b'{"value": "' + b"x" * 20_000 + b'"}', headers)
    assert rated.status == 413


def test_a_form_with_too_many_fields_is_refused(place: Place) -> None:
    """400, and no time is spent on them."""
    many = "&".join(f"f{number}=1" for number in range(5000)).encode()
    assert ask(place.url, "/login", "POST", many, {"Origin": place.url}).status == 400


def test_a_session_sends_no_calls(place: Place) -> None:
    """OTLP is sent with a token, and a cookie is none: no page can write calls in somebody's name."""
    session = {**logged_in(place.url, place.tokens["admin"]), **PROTOBUF, "Origin": place.url}
    assert ask(place.url, "/v1/traces", "POST", traces(span()).SerializeToString(), session).status == 401


def test_the_call_is_still_as_it_was(place: Place) -> None:
    """After all that, by the way that is meant."""
    answer = ask(place.url, f"/api/interactions/{CALL.span_id}", headers=bearer(place.tokens["reader"]))
    assert (answer.json["prompt_text"], answer.json["response_text"]) == ("What is the canary-7141?", "A bird.")
