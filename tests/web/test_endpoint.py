"""`POST /v1/feedback` and its kin, over real HTTP, in an ASGI and in a WSGI server."""

from __future__ import annotations

import json

import pytest

import rlhf_otel as rlhf
from rlhf_otel import hooks
from rlhf_otel.token import mint, rater_hash
from rlhf_otel.web import FeedbackApp, FeedbackWSGI

from .conftest import serving

OTHER = "00f067aa0ba902b7"


@pytest.fixture(scope="module", params=["asgi", "wsgi"])
def server(request):
    """The port of the endpoint, without limits that would be in the way, and with a key of its own for others."""
    options = {"per_token": 0, "per_address": 0, "authorize": authorize}
    app = FeedbackApp(**options) if request.param == "asgi" else FeedbackWSGI(**options)
    with serving(app, request.param) as port:
        yield port


def authorize(request):
    return {"the key": True, "ben's key": "ben"}.get(request.bearer)


@pytest.fixture
def post(server, client):
    """Sends JSON to the endpoint."""
    return lambda body, **headers: client(server, "POST", body=body, **headers)


def test_a_thumb(post, call, given):
    """Taken, with an id behind what the token proves; the vote is the rater's whom the token is for."""
    status, _, answer = post({"token": call.token(rater="u1"), "value": True, "comment": "nice", "id": "t1"})
    (kept,) = given(call)
    expected = f"{call.span_id}:{rater_hash('u1')}:t1"
    assert (status, answer) == (202, {"id": expected, "status": "accepted"})
    assert (kept.id, kept.value, kept.comment, kept.rater) == (expected, True, "nice", rater_hash("u1"))
    assert (kept.source, kept.annotator_kind, kept.target_start_ns) == ("end_user", "HUMAN", call.start_ns)


KINDS = {
    "rating": ({"value": 4, "scale": [1, 5], "name": "tone"}, {"kind": "rating", "value": 4, "name": "tone"}),
    "score": ({"value": 0.5, "label": "so so"}, {"kind": "score", "value": 0.5, "label": "so so"}),
    "category": ({"value": "off_topic"}, {"kind": "categorical", "value": "off_topic"}),
    "comment": ({"comment": "hm"}, {"kind": "comment", "comment": "hm"}),
    "correction": ({"correction": "better"}, {"kind": "correction", "correction": "better"}),
    "edit": ({"signal": "edit", "correction": "mine"}, {"kind": "signal", "signal": "edit", "correction": "mine"}),
    "dwell": ({"signal": "dwell", "metadata": {"seconds": 9}}, {"signal": "dwell", "metadata": {"seconds": 9}}),
    "step": ({"value": False, "step": 2}, {"kind": "binary", "step": 2}),
    "words": ({"value": False, "range": [3, 9], "quote": "answer"}, {"range": (3, 9), "quote": "answer"}),
    "custom": ({"value": {"a": [1]}}, {"kind": "custom", "value": {"a": [1]}}),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(kind, post, call, given):
    """Each with what it carries."""
    body, expected = KINDS[kind]
    assert post({"token": call.token(), **body})[0] == 202
    (kept,) = given(call)
    assert {name: getattr(kept, name) for name in expected} == expected


def test_from_a_beacon(server, client, call, given):
    """As text, without a preflight, with the token in the body; and with the token as Bearer."""
    assert client(server, "POST", body=json.dumps({"token": call.token(), "value": True}), kind="text/plain")[0] == 202
    assert client(server, "POST", body={"value": 0.5, "name": "b"}, Authorization=f"Bearer {call.token()}")[0] == 202
    assert client(server, "POST", body={"token": call.token(), "value": "x", "name": "c"}, kind=None)[0] == 202
    assert [f.name for f in given(call)] == ["user_feedback", "b", "c"]


def test_the_same_id_is_the_same_feedback(post, call, given):
    """A request that is replayed changes nothing."""
    body = {"token": call.token(rater="u1"), "value": True, "id": "t1"}
    assert post(body)[2] == post(body)[2]
    assert len(given(call, history=True)) == 1


def test_another_day(post, call, given):
    """Of one person's votes the latest counts, by whatever ids."""
    token = call.token(rater="u1")
    for value in (True, False):
        post({"token": token, "value": value})
    post({"token": call.token(rater="u2"), "value": True})
    assert [(f.rater, f.value) for f in given(call)] == [(rater_hash("u1"), False), (rater_hash("u2"), True)]


def test_nobody_speaks_for_those_who_are_known(post, call, given):
    """Whom a page names with a token for anybody is a claim: it stands beside the vote of whoever is called so."""
    rlhf.feedback.record(call, True, rater="ben")
    post({"token": call.token(rater="ben"), "value": True})
    for claimed in ("ben", rater_hash("ben")):
        assert post({"token": call.token(), "value": False, "rater": claimed})[0] == 202
    assert [(f.rater, f.value) for f in given(call)] == [
        ("ben", True), (rater_hash("ben"), True), ("any:ben", False), (f"any:{rater_hash('ben')}", False),
    ]  # fmt: skip


def test_changed_and_taken_back(server, client, call, given):
    """PUT changes what counts and DELETE takes it back, by the client's own id or the whole one; history stays."""
    token = call.token(rater="u1")
    whole = client(server, "POST", body={"token": token, "value": True, "id": "t1"})[2]["id"]
    for path in ("t1", whole):
        status, _, answer = client(server, "PUT", f"/v1/feedback/{path}", {"token": token, "value": False})
        assert (status, answer["id"]) == (202, whole)
        assert [f.value for f in given(call)] == [False]
        status, _, answer = client(server, "DELETE", f"/v1/feedback/{path}", Authorization=f"Bearer {token}")
        assert (status, answer["id"]) == (202, whole)
        assert given(call) == []
    client(server, "PUT", f"/v1/feedback/{whole}", {"token": token, "value": True})
    assert [f.value for f in given(call)] == [True]
    assert len(given(call, history=True)) == 6


def test_versions_by_post(post, call, given):
    """An id with a version behind it is what PUT makes, and sent twice it is one; a retraction has one too."""
    said = {"token": call.token(rater="u1"), "kind": None}
    for version, value in (("1795760736474000000", True), ("1795760736474000001", False)):
        for _ in range(2):
            post({**said, "id": f"t1#{version}", "value": value})
    assert [f.value for f in given(call)] == [False]
    back = {**said, "kind": "retraction", "id": "t1#1795760736474000002"}
    assert post([back, back])[2]["results"][0]["status"] == "accepted"
    assert given(call) == []
    assert len(given(call, history=True)) == 3
    post({**said, "id": "t1#1795760736474000003", "value": 0.5})
    assert [f.value for f in given(call)] == [0.5]


def test_an_id_of_any_letters(server, client, call, given):
    """What is encoded in the address is one id with what is plain in the body."""
    token = call.token()
    client(server, "POST", body={"token": token, "value": True, "id": "é %41"})
    client(server, "DELETE", "/v1/feedback/%C3%A9%20%2541", {"token": token})
    assert given(call) == []


def test_nobody_touches_the_feedback_of_others(server, client, call, given):
    """With another rater's token, or that of another call, an id is another id."""
    whole = client(server, "POST", body={"token": call.token(rater="u1"), "value": True, "id": "t1"})[2]["id"]
    other = rlhf.capture(prompt="q", response="a")
    for token in (call.token(rater="u2"), other.token(rater="u1"), call.token()):
        assert client(server, "DELETE", f"/v1/feedback/{whole}", {"token": token})[2]["id"] != whole
        client(server, "POST", body={"token": token, "value": False, "id": whole})
    assert [f.value for f in given(call) if f.rater == rater_hash("u1")] == [True]


def test_who_is_known_touches_nothing_of_others(server, client, call, given):
    """Who the application says is one person changes and takes back what they said themselves, by either id of it."""
    ben, own = {"Authorization": "Bearer ben's key"}, f"{rater_hash('ben')}:x"
    rlhf.feedback.record(call, True, rater="eve", id="x")
    client(server, "DELETE", "/v1/feedback/x", **ben)
    client(server, "PUT", "/v1/feedback/x", {"span_id": call.span_id, "value": 0.5}, **ben)
    assert [(f.rater, f.value) for f in given(call)] == [("eve", True), ("ben", 0.5)]
    assert client(server, "DELETE", f"/v1/feedback/{own}", **ben)[2]["id"] == own
    assert [(f.rater, f.value) for f in given(call)] == [("eve", True)]
    client(server, "DELETE", "/v1/feedback/x", Authorization="Bearer the key")
    assert given(call) == []


def test_several_at_once(post, call, given):
    """Each for itself: what is wrong with one does not keep out the others."""
    token = call.token()
    items = [{"token": token, "value": True, "id": "a"}, {"token": "rlt_x", "value": True}, 5,
             {"token": token, "signal": "copy", "id": "b"}]  # fmt: skip
    for body in ({"feedback": items}, items):
        status, _, answer = post(body)
        assert status == 202
        assert [(each.get("status"), each.get("error", {}).get("code")) for each in answer["results"]] == [
            ("accepted", None), (None, "malformed"), (None, "invalid"), ("accepted", None),
        ]  # fmt: skip
    assert [f.name for f in given(call)] == ["user_feedback", "copy"]
    assert post([])[0] == 400
    assert post([{"value": 1}] * 101)[0] == 400


def test_those_who_need_no_token(post, call, given):
    """A request that the application authorizes names its call by any id, and has more to say."""
    assert post({"span_id": call.span_id, "value": True}, Authorization="Bearer the key")[0] == 202
    body = {
        "span_id": call.span_id,
        "value": 0.5,
        "source": "agent",
        "annotator_kind": "LLM",
        "rater": "eve",
        "id": "x",
    }
    expected = f"{rater_hash('ben')}:x"
    assert post(body, Authorization="Bearer ben's key")[2] == {"id": expected, "status": "accepted"}
    assert [(f.rater, f.source, f.annotator_kind) for f in given(call)] == [
        (None, "end_user", "HUMAN"), ("ben", "agent", "LLM"),
    ]  # fmt: skip
    for key in ("another key", ""):
        assert post(body, Authorization=f"Bearer {key}")[0] == 401


def test_whether_a_call_exists_is_not_told(post):
    """A token of a call that nobody has seen is answered as any other."""
    unknown = rlhf.Handle("4bf92f3577b34da6a3ce929d0e0e4736", OTHER)
    status, _, answer = post({"token": unknown.token(rater="u1"), "value": True, "id": "i"})
    assert (status, answer) == (202, {"id": f"{OTHER}:{rater_hash('u1')}:i", "status": "accepted"})


def altered(token):
    return token[:30] + ("A" if token[30] != "A" else "B") + token[31:]


REFUSED = {
    "an altered token": (lambda t, c: {"token": altered(t), "value": True}, 401, "signature"),
    "no token": (lambda t, c: {"value": True, "span_id": OTHER}, 401, "token"),
    "a token that is no text": (lambda t, c: {"token": 5, "value": True}, 401, "malformed"),
    "an expired token": (lambda t, c: {"token": mint(c, ttl=5, now=1e9), "value": True}, 401, "expired"),
    "a token of another key": (lambda t, c: {"token": mint(c, key="k" * 16), "value": True}, 401, "signature"),
    "another span": (lambda t, c: {"token": t, "value": True, "span_id": OTHER}, 403, "forbidden"),
    "another way to a span": (lambda t, c: {"token": t, "value": True, "session": "s"}, 403, "forbidden"),
    "a source of its own": (lambda t, c: {"token": t, "value": True, "source": "builder"}, 403, "forbidden"),
    "another name": (lambda t, c: {"token": c.token(names=["a"]), "value": True, "name": "b"}, 403, "forbidden"),
    "the usual name, not allowed": (lambda t, c: {"token": c.token(names=["a"]), "value": True}, 403, "forbidden"),
    "another rater": (lambda t, c: {"token": t, "value": True, "rater": "u2"}, 403, "forbidden"),
    "nothing said": (lambda t, c: {"token": t}, 400, "invalid"),
    "an unknown field": (lambda t, c: {"token": t, "value": True, "stars": 5}, 400, "invalid"),
    "an unknown kind": (lambda t, c: {"token": t, "value": True, "kind": "stars"}, 400, "invalid"),
    "a kind of its own": (lambda t, c: {"token": t, "value": True, "kind": "preference"}, 400, "invalid"),
    "an unknown signal": (lambda t, c: {"token": t, "signal": "yawn"}, 400, "invalid"),
    "a rating off its scale": (lambda t, c: {"token": t, "value": 6, "scale": [1, 5]}, 400, "invalid"),
    "a scale of words": (lambda t, c: {"token": t, "value": 6, "scale": "1-5"}, 400, "invalid"),
    "a comment of another type": (lambda t, c: {"token": t, "comment": ["x"]}, 400, "invalid"),
    "a name of another type": (lambda t, c: {"token": t, "value": True, "name": {"a": 1}}, 400, "invalid"),
    "a long comment": (lambda t, c: {"token": t, "comment": "é" * 2049}, 400, "invalid"),
    "a long id": (lambda t, c: {"token": t, "value": True, "id": "x" * 201}, 400, "invalid"),
    "an id of another type": (lambda t, c: {"token": t, "value": True, "id": 5}, 400, "invalid"),
    "a correction and a value": (lambda t, c: {"token": t, "value": True, "correction": "x"}, 400, "invalid"),
    "an empty correction": (lambda t, c: {"token": t, "correction": " "}, 400, "invalid"),
    "a list in the place of an object": (lambda t, c: "5", 400, "invalid"),
    "no JSON": (lambda t, c: "{", 400, "invalid"),
    "nothing": (lambda t, c: "", 400, "invalid"),
    "no UTF-8": (lambda t, c: b'{"value": "\xff"}', 400, "invalid"),
    "NaN": (lambda t, c: f'{{"token": "{t}", "value": NaN}}', 400, "invalid"),
    "depth": (lambda t, c: "[" * 8000, 400, "invalid"),
    "an endless number": (lambda t, c: '{"value": ' + "9" * 9000 + "}", 400, "invalid"),
    "a large body": (lambda t, c: {"token": t, "value": True, "metadata": {"a": "x" * 16_384}}, 413, "too_large"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what, post, call, given):
    """With a status, a code and words; nothing is kept."""
    body, status, code = REFUSED[what]
    answered, headers, answer = post(body(call.token(rater="u1"), call))
    assert (answered, answer["error"]["code"]) == (status, code)
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert given(call) == []
    assert call.token(rater="u1") not in json.dumps(answer)


def test_methods_paths_and_types(server, client, call):
    """What is not there, what is not done there, and what is not read."""
    body = {"token": call.token(), "value": True}
    assert client(server, "GET")[0] == 405
    assert client(server, "POST", "/v1/feedback/x", body)[0] == 405
    assert client(server, "PUT", body=body)[1]["Allow"] == "POST"
    assert client(server, "POST", "/v1/feedbacks", body)[0] == 404
    assert client(server, "POST", body=body, kind="application/x-www-form-urlencoded")[0] == 415
    assert client(server, "POST", body=body, kind="application/json; charset=utf-8")[0] == 202
    assert client(server, "POST", "/some/where/v1/feedback", body)[0] == 202


def test_any_origin_without_credentials(server, client):
    """A preflight is answered, and cookies are never asked for."""
    status, headers, _ = client(server, "OPTIONS", Origin="https://elsewhere.example")
    assert (status, headers["Access-Control-Allow-Origin"]) == (204, "*")
    assert {"POST", "PUT", "DELETE"} <= set(headers["Access-Control-Allow-Methods"].split(", "))
    assert "content-type" in headers["Access-Control-Allow-Headers"]
    assert headers["Access-Control-Allow-Credentials"] is None


def test_text_is_kept_as_it_is(post, call, given):
    """Markup, direction marks and NUL come back from the store as they were sent, and a terminal shows them inert."""
    from rlhf_otel.cli.common import printable

    said = "<script>alert(1)</script> \u202egnp.exe \0 \x1b[31m"
    post({"token": call.token(), "value": True, "comment": said})
    assert given(call)[0].comment == said
    assert printable(said) == "<script>alert(1)</script> \ufffdgnp.exe \ufffd \ufffd[31m"


def test_it_describes_itself(server, client):
    """Each field that is taken is in the OpenAPI document, and no other; so are the operations."""
    from rlhf_otel.web.made import FIELDS

    status, _, document = client(server, "GET", "/v1/feedback/openapi.json")
    assert (status, document["openapi"]) == (200, "3.1.0")
    assert set(document["components"]["schemas"]["Feedback"]["properties"]) == FIELDS
    assert set(document["paths"]["/v1/feedback/{id}"]) == {"parameters", "put", "delete"}


def test_nothing_takes_it(post, call):
    """Where recording is off, the page is told to come back."""
    token = call.token()
    rlhf.shutdown(1)
    status, headers, answer = post({"token": token, "value": True})
    assert (status, headers["Retry-After"], answer["error"]["code"]) == (503, "5", "unavailable")


def test_counted_refusals_do_not_reach_the_log(post, call, caplog):
    """What somebody sends is not what a log says."""
    post({"token": "rlt_" + "x" * 90, "comment": "my secret"})
    assert [record for record in caplog.records if record.name == "rlhf_otel" and record.levelno > 20] == []
    assert hooks.counters["faults"] == 0
