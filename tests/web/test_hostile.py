"""What strangers may send to the endpoint: whatever it is, it is answered, and nothing that proves nothing gets in."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlhf_otel import codec, hooks
from rlhf_otel.records import Handle
from rlhf_otel.store import Store
from rlhf_otel.token import mint
from rlhf_otel.web import Door, Request
from rlhf_otel.web.made import FIELDS

KEY = "a secret of these tests"
CALL, OTHER = (Handle("ab" * 16, f"00f067aa0ba902b{n}", None, 5) for n in range(2))
TOKEN, ANOTHER = (mint(call, rater="u1", key=KEY) for call in (CALL, OTHER))
JSON = {"content-type": "application/json"}
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20),
    st.sampled_from([10**400, -1, 0, 1e308, "\0", "\ud800", "\u202e", "rlt_", TOKEN, ANOTHER, "5" * 16, "edit"]),
)  # fmt: skip
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
REQUESTS = st.dictionaries(st.sampled_from(sorted(FIELDS)), ANYTHING, max_size=5)


def door(**options):
    """One without limits."""
    return Door(**{"key": KEY, "per_token": 0, "per_address": 0, **options})


def ask(entrance, body, method="POST", path="/v1/feedback", headers=JSON):
    """The status and what was let in."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    feedback, response = entrance.enter(Request(method, path, headers, raw, "10.0.0.1"))
    assert json.loads(response.sent[1] or b"{}") == (response.content or {})
    return response.status, feedback


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(REQUESTS, st.sampled_from(["with a token", "with a key", "with nothing"]))
def test_each_field_with_anything_in_it(said, by):
    """It is taken or refused with words, never a fault of ours; what is taken can be stored, and is read as it was."""
    faults = hooks.counters["faults"]
    entrance = door(authorize=lambda request: True) if by == "with a key" else door()
    said = {"token": TOKEN, **said} if by == "with a token" else said
    for method, path in (("POST", "/v1/feedback"), ("PUT", "/v1/feedback/i"), ("DELETE", "/v1/feedback/i")):
        status, feedback = ask(entrance, said, method, path)
        assert status in (202, 400, 401, 403)
        assert (status == 202) == bool(feedback)
        for one in feedback:
            assert codec.feedback_attributes(one)
            with Store.open(":memory:") as store:
                store.add(feedback=[one])
                assert store.feedback(one.id) == one
    assert hooks.counters["faults"] == faults


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes(raw):
    """Whatever the body is, it is no fault of ours, and nobody gets in with it."""
    status, feedback = ask(door(), raw)
    assert (status in (400, 401), feedback) == (True, [])


def test_a_token_with_any_bit_changed():
    """Each of them counts: the token proves nothing with any one changed."""
    raw = urlsafe_b64decode(TOKEN[4:] + "=" * (-len(TOKEN[4:]) % 4))
    entrance, statuses = door(), set()
    for bit in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        token = "rlt_" + urlsafe_b64encode(changed).decode().rstrip("=")
        statuses.add(ask(entrance, {"token": token, "value": True})[0])
    assert statuses == {401}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
@pytest.mark.parametrize("place", ['"value": {0}', '"value": 3, "scale": [0, {0}]', '"metadata": {{"a": {0}}}'])
def test_a_number_that_is_none(place, number):
    """Not as a value, not as an end of a scale, not deep in metadata, where it would break whoever reads it as JSON."""
    body = f'{{"token": "{TOKEN}", "comment": "x", {place.format(number)}}}'
    assert ask(door(), body.encode()) == (400, [])


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"step": 2**40}, 400), ({"step": -1}, 400), ({"step": 1.5}, 400), ({"step": "1"}, 400),
        ({"range": [0, 2**40]}, 400), ({"range": [5, 5]}, 400), ({"range": [1]}, 400), ({"range": "1-5"}, 400),
        ({"metadata": [1]}, 400), ({"metadata": {"a": "x" * 12_000}}, 202), ({"scale": [5, 1]}, 400),
        ({"scale": [1, 5, 9]}, 400), ({"scale": {}}, 400), ({"kind": ["rating"]}, 400), ({"kind": "ranking"}, 400),
        ({"signal": 5}, 400), ({"signal": ["copy"]}, 400), ({"name": "x" * 200}, 202), ({"name": "x" * 1000}, 400),
        ({"label": "x" * 1000}, 400), ({"comment": "x" * 4096}, 202), ({"comment": "x" * 4097}, 400),
        ({"quote": {"a": 1}}, 400), ({"rater": 5}, 400), ({"id": ""}, 400), ({"id": "x" * 201}, 400),
    ],
)  # fmt: skip
def test_ranges_and_sizes(said, status):
    """Each field has ends."""
    assert ask(door(), {"token": TOKEN, "value": 1, **said})[0] == status


def test_a_page_of_another_site_cannot_use_a_session():
    """What a browser sends of its own accord, cookies and a simple body, opens nothing; JSON or a header does."""
    asked = []

    def authorize(request):
        asked.append(request)
        return "ben" if request.headers.get("cookie") == "session=ben's" else None

    entrance, body = door(authorize=authorize), {"span_id": CALL.span_id, "value": True}
    cookie = {"cookie": "session=ben's"}
    for kind in ({}, {"content-type": "text/plain"}, {"content-type": "text/plain; charset=application/json"}):
        assert ask(entrance, body, headers={**cookie, **kind}) == (401, [])
    assert asked == []
    assert ask(entrance, body, headers={**cookie, **JSON})[0] == 202
    assert ask(entrance, body, "PUT", "/v1/feedback/i", headers={**cookie, "content-type": "text/plain"})[0] == 202


def test_a_limit_does_not_hold_for_who_is_authorized():
    """An application sends the votes of many from one address; a page does not."""
    entrance = door(per_address=1, authorize=lambda request: request.bearer == "the key")
    key = {**JSON, "authorization": "Bearer the key"}
    said = {"span_id": CALL.span_id, "value": True}
    assert [ask(entrance, said, headers=key)[0] for _ in range(3)] == [202] * 3
    assert [ask(entrance, {"token": TOKEN, "value": True})[0] for _ in range(2)] == [202, 429]
