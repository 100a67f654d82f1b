"""How often somebody may write, and what the endpoint may be told when it is made."""

from __future__ import annotations

import pytest

from rlhf_otel.web import FeedbackApp, FeedbackWSGI
from rlhf_otel.web.door import Door
from rlhf_otel.web.limits import REMEMBERED, Rates
from rlhf_otel.web.requests import Request

from .conftest import serving


def body(token):
    return f'{{"token": "{token}", "value": true}}'.encode()


def test_a_minute_is_a_window():
    """So many writes, then a wait until the window's end; what is refused is not counted."""
    now = [100.0]
    rates = Rates(clock=lambda: now[0])
    assert [rates.wait("a", 2) for _ in range(4)] == [0, 0, 60, 60]
    assert rates.wait("b", 2) == 0
    now[0] = 130.5
    assert rates.wait("a", 2) == 30
    now[0] = 160.0
    assert [rates.wait("a", 2) for _ in range(3)] == [0, 0, 60]
    assert rates.wait("c", 2, writes=3) == 60


def test_memory_is_bounded():
    """Whoever has been quiet for longest is forgotten first."""
    rates = Rates(clock=lambda: 0.0)
    for number in range(REMEMBERED + 10):
        rates.wait(number, 5)
    assert len(rates._windows) == REMEMBERED
    assert 0 not in rates._windows


@pytest.mark.parametrize(
    ("limits", "accepted"), [({}, 20), ({"per_token": 0}, 60), ({"per_token": 3}, 3), ({"per_minute": 4}, 4)]
)
def test_too_many_writes(limits, accepted, call):
    """A token, an address, and all together have a limit each; the answer says when to come back."""
    taken: list[object] = []
    door = Door(take=taken.extend, **limits)
    answers = [door.enter(Request("POST", "/v1/feedback", {}, body(call.token()), "10.0.0.1")) for _ in range(70)]
    statuses = [response.status for _, response in answers]
    assert statuses == [202] * accepted + [429] * (70 - accepted)
    assert 1 <= int(answers[-1][1].headers["retry-after"]) <= 60
    assert sum(len(feedback) for feedback, _ in answers) == accepted


def test_other_tokens_and_addresses_are_counted_apart(call):
    """One person who writes too much keeps nobody else out."""
    door = Door(per_token=1)
    entered = [
        door.enter(Request("POST", "/v1/feedback", {}, body(token), address))[1].status
        for token, address in ((call.token(), "a"), (call.token(), "b"), (call.token(rater="u"), "a"))
    ]
    assert entered == [202, 429, 202]


@pytest.mark.parametrize(("app", "kind"), [(FeedbackApp, "asgi"), (FeedbackWSGI, "wsgi")])
def test_too_many_over_http(app, kind, client, call):
    """429 with Retry-After, from the address that the server saw."""
    with serving(app(per_address=1), kind) as port:
        for expected in (202, 429):
            status, headers, _ = client(port, "POST", body=body(call.token()))
            assert status == expected
        assert int(headers["Retry-After"]) >= 1


def test_too_many_among_several(call):
    """What is too much of a batch is told item by item, and when to come back of all."""
    batch = f"[{body(call.token()).decode()}, {body(call.token(rater='u')).decode()}, {body(call.token()).decode()}]"
    taken, answer = Door(per_token=1).enter(Request("POST", "/v1/feedback", {}, batch.encode(), "10.0.0.1"))
    codes = [result.get("error", {}).get("code") for result in answer.content["results"]]
    assert (len(taken), codes) == (2, [None, None, "too_many"])
    assert 1 <= int(answer.headers["retry-after"]) <= 60


def test_where_it_goes_can_be_chosen(client, call):
    """`take` has the feedback, may be asynchronous, and its failure is a 503."""
    taken = []

    async def take(feedback):
        if taken:
            raise OSError("disk full")
        taken.extend(feedback)

    with serving(FeedbackApp(take=take), "asgi") as port:
        assert client(port, "POST", body=body(call.token()))[0] == 202
        assert client(port, "POST", body=body(call.token()))[0] == 503
    assert [f.span_id for f in taken] == [call.span_id]


def test_a_fault_of_ours_is_an_answer(monkeypatch, call):
    """The host's server never sees an exception, and the log of the host no secret."""
    door = Door()
    monkeypatch.setattr(door._rates, "wait", lambda *args: 1 / 0)
    feedback, response = door.enter(Request("POST", "/v1/feedback", {}, body(call.token()), "a"))
    assert (feedback, response.status) == ([], 500)
