"""Preferences and rankings over HTTP: by a token for each answer, or by an id for each where one may."""

from __future__ import annotations

import json

import pytest

import rlhf_otel as rlhf
from rlhf_otel.token import rater_hash
from rlhf_otel.web import FeedbackApp, FeedbackWSGI
from tests.datasets.conftest import dropped

from .conftest import serving


@pytest.fixture(scope="module", params=["asgi", "wsgi"])
def server(request):
    """The port of the endpoint, which knows one key of others."""
    options = {"per_token": 0, "per_address": 0, "authorize": lambda asked: asked.bearer == "the key"}
    app = FeedbackApp(**options) if request.param == "asgi" else FeedbackWSGI(**options)
    with serving(app, request.param) as port:
        yield port


@pytest.fixture
def send(server, client):
    """Sends JSON to the endpoint; status and answer."""

    def sent(body, method="POST", path="/v1/feedback", **headers):
        status, _, answer = client(server, method, path, body, **headers)
        return status, answer

    return sent


@pytest.fixture
def answers():
    """Three answers to one question, the lowest span id first."""
    made = [rlhf.capture(prompt="question", response=f"answer {n}", model="m") for n in range(3)]
    return sorted(made, key=lambda handle: handle.span_id)


def tokens(answers, **options):
    """A token for each."""
    return [answer.token(**options) for answer in answers]


def test_a_preference(send, answers, given):
    """By the tokens of both, for the rater of both; it is about either answer."""
    first, second, _ = answers
    better, worse, _ = tokens(answers[::-1][1:] + answers[:1], rater="u1")
    body = {"chosen": better, "rejected": worse, "margin": 2, "position": "rejected", "comment": "clearer", "id": "p1"}
    status, answer = send(body)
    expected = f"{first.span_id}:{rater_hash('u1')}:p1"
    assert (status, answer) == (202, {"id": expected, "status": "accepted"})
    for handle in (first, second):
        (kept,) = given(handle)
        assert (kept.kind, kept.chosen, kept.rejected) == ("preference", second.span_id, first.span_id)
        assert (kept.margin, kept.position, kept.comment) == (2, "rejected", "clearer")
        assert (kept.rater, kept.trace_id, kept.target_start_ns) == (
            rater_hash("u1"), second.trace_id, second.start_ns,
        )  # fmt: skip


def test_a_ranking(send, answers, given):
    """By the tokens of all, the best first."""
    assert send({"ranking": tokens(answers[::-1]), "name": "style"})[0] == 202
    for handle in answers:
        (kept,) = given(handle)
        assert (kept.kind, kept.name, kept.rater) == ("ranking", "style", None)
        assert list(kept.ranking) == [handle.span_id for handle in answers[::-1]]


def test_changed_and_taken_back(send, answers, given):
    """Whichever of the two is the better one, it is the same feedback, and the same tokens take it back."""
    one, other, _ = tokens(answers, rater="u1")
    whole = send({"chosen": one, "rejected": other, "id": "p1"})[1]["id"]
    status, answer = send({"chosen": other, "rejected": one}, "PUT", "/v1/feedback/p1")
    assert (status, answer["id"]) == (202, whole)
    assert [f.chosen for f in given(answers[0])] == [answers[1].span_id]
    assert send({"chosen": other, "rejected": one}, "DELETE", f"/v1/feedback/{whole}") == (
        202, {"id": whole, "status": "accepted"},
    )  # fmt: skip
    assert given(answers[0]) == given(answers[1]) == []


def test_by_ids(send, answers, given):
    """Those who need no token name the answers by span id or traceparent."""
    body = {"chosen": answers[0].traceparent, "rejected": answers[1].span_id, "rater": "u7", "source": "annotator"}
    assert send(body)[0] == 401
    assert send(body, Authorization="Bearer the key")[0] == 202
    assert send({"ranking": [h.span_id for h in answers]}, Authorization="Bearer the key")[0] == 202
    kept = given(answers[0])
    assert [(f.kind, f.rater, f.source) for f in kept] == [
        ("preference", "u7", "annotator"), ("ranking", None, "end_user"),
    ]  # fmt: skip
    assert kept[0].trace_id == answers[0].trace_id


def test_in_a_batch(send, answers, given):
    """Beside anything else."""
    one, other, _ = tokens(answers)
    status, answer = send([{"chosen": one, "rejected": other}, {"chosen": one}, {"token": one, "value": True}])
    assert status == 202
    assert [each.get("status") for each in answer["results"]] == ["accepted", None, "accepted"]
    assert {f.kind for f in given(answers[0])} == {"preference", "binary"}


A, B, C = "the first", "the second", "the third"
REFUSED = {
    "one side": ({"chosen": A}, 400),
    "a margin alone": ({"token": A, "margin": 1}, 400),
    "an answer against itself": ({"chosen": A, "rejected": A}, 400),
    "a token and an id": ({"chosen": A, "rejected": "00f067aa0ba902b7"}, 400),
    "a token beside them": ({"token": A, "chosen": A, "rejected": B}, 400),
    "no text": ({"chosen": A, "rejected": 5}, 400),
    "a value": ({"chosen": A, "rejected": B, "value": True}, 400),
    "a step": ({"chosen": A, "rejected": B, "step": 1}, 400),
    "another kind": ({"chosen": A, "rejected": B, "kind": "rating"}, 400),
    "a margin of words": ({"chosen": A, "rejected": B, "margin": "much"}, 400),
    "a margin that is a truth": ({"chosen": A, "rejected": B, "margin": True}, 400),
    "a position elsewhere": ({"chosen": A, "rejected": B, "position": "left"}, 400),
    "a ranking of one": ({"ranking": [A]}, 400),
    "a ranking of none": ({"token": A, "ranking": [], "value": True}, 400),
    "a ranking that is text": ({"ranking": A}, 400),
    "a ranking with one twice": ({"ranking": [A, B, A]}, 400),
    "a ranking beside a preference": ({"ranking": [A, B], "chosen": A, "rejected": B}, 400),
    "a ranking of objects": ({"ranking": [A, {"b": 1}]}, 400),
    "tokens of two raters": ({"chosen": A, "rejected": C}, 403),
    "another rater": ({"chosen": A, "rejected": B, "rater": "u9"}, 403),
    "a name that one is not for": ({"chosen": A, "rejected": "names"}, 403),
    "a source of one's own": ({"chosen": A, "rejected": B, "source": "builder"}, 403),
    "an expired one": ({"chosen": A, "rejected": "expired"}, 401),
    "an altered one": ({"chosen": A, "rejected": "altered"}, 401),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what, send, answers, given):
    """What proves too little, or is no comparison; nothing is kept."""
    said, status = REFUSED[what]
    one, other, third = answers
    words = {A: one.token(rater="u1"), B: other.token(rater="u1"), C: third.token(rater="u2")}
    words |= {"names": other.token(rater="u1", names=["tone"]), "expired": other.token(rater="u1", ttl=1e-9)}
    words |= {"altered": words[B][:40] + ("A" if words[B][40] != "A" else "B") + words[B][41:]}
    body = json.dumps(said)
    for word, token in words.items():
        body = body.replace(json.dumps(word), json.dumps(token))
    answered, answer = send(body)
    assert answered == status, answer
    assert given(one) == given(other) == given(third) == []


def test_different_prompts_are_kept_and_not_exported(send, given, tmp_path):
    """The preference is in the store; a dataset leaves it out, and its counts say so."""
    from rlhf_otel.cli.recipe_options import read
    from rlhf_otel.datasets import Recipe, make_dataset
    from rlhf_otel.export import setup

    with rlhf.context(consent="train", session="s1"):
        one, other = (rlhf.capture(prompt=f"question {n}", response=f"answer {n}", model="m") for n in range(2))
    assert send({"chosen": one.token(), "rejected": other.token()})[0] == 202
    assert [f.kind for f in given(one)] == ["preference"]
    recipe = Recipe(format="dpo")
    made = make_dataset(read(setup.current().own.store_sink.store, recipe), recipe, tmp_path / "out")
    assert sum(made.rows.values()) == 0
    assert dropped(made)["the answers are to different prompts"] == 1
