"""The page on which a person decides, in the server, by forms alone."""

from __future__ import annotations

import html
import re
from urllib.parse import urlencode

import pytest

import rlhf_otel as rlhf
from rlhf_otel import config
from rlhf_otel.export.review.desk import Desk
from rlhf_otel.store import Store
from tests.server.access.visiting import ask, audited, bearer, filled, logged_in
from tests.server.process import Serve

NASTY = "</textarea><script>alert(1)</script>"


@pytest.fixture
def place(tmp_path, reviewing, say):
    """A server beside three calls that wait: where it is, and the headers of an admin's browser."""
    path = tmp_path / "store.db"
    tokens = filled(path)
    reviewing(store=str(path))
    calls = [say(f"question {n}", NASTY, comment="nice" if n == 0 else None) for n in range(3)]
    assert rlhf.shutdown(5)
    with Serve(path) as server:
        browser = {**logged_in(server.url, tokens["admin"]), "Origin": server.url}
        yield server.url, browser, tokens, [call.span_id for call in calls], path


def posted(place, **fields):
    """What the server answers to a form."""
    return ask(place[0], "/review", "POST", urlencode(fields).encode(), place[1])


def seen(place, query=""):
    """What a page that is shown now lets its buttons approve."""
    return re.search(r'name="seen" value="([^"]*)"', ask(place[0], f"/review{query}", headers=place[1]).text)[1]


def waiting(path):
    """The prompts that still wait."""
    desk = Desk(config.load({"store": str(path)}))
    return [each.texts["input.0.parts.0.content"] for each in desk.waiting()]


def test_seen_changed_approved_and_discarded(place):
    """Each by a form; what was approved is in the store as it was saved, and the audit log names no content."""
    url, browser, _, ids, path = place
    listed = ask(url, "/review", headers=browser)
    assert (listed.status, [one in listed.text for one in ids]) == (200, [True] * 3)
    one = ask(url, f"/review?id={ids[0]}", headers=browser)
    names = re.findall(r'name="(text\.[^"]+)"', one.text)
    assert names == ["text.0", "text.1", "text.2"]
    labels = re.findall(r'<label for="text-\d"><bdi>(.+?)</bdi>', one.text)
    assert labels == ["input.0.parts.0.content", "output.0.parts.0.content", "feedback.0.comment"]
    assert "<script" not in one.text
    assert one.text.count(html.escape(NASTY)) == 1
    saved = posted(place, id=ids[0], action="save", **{names[0]: "changed\r\nby hand", names[1]: NASTY, names[2]: ""})
    assert (saved.status, saved.headers["location"]) == (303, f"/review?id={ids[0]}")
    first = seen(place, f"?id={ids[0]}")
    assert (
        posted(place, id=ids[0], seen=first, action="approve").headers["location"]
        == "/review?said=Approved+1+call+and+1+feedback."
    )
    assert (
        posted(place, id=ids[1], action="discard").headers["location"]
        == "/review?said=Discarded+1+call+and+0+feedback."
    )
    assert waiting(path) == ["question 2"]
    with Store.open(path, read_only=True) as store:
        call = store.interaction(ids[0])
        (vote,) = store.feedback_on([call])[ids[0]]
    assert (call.input[0]["parts"][0]["content"], call.output[0]["parts"][0]["content"]) == ("changed\nby hand", NASTY)
    assert (call.attributes["rlhf.review.edited"], vote.comment or "") == (True, "")
    assert audited(path, "review") == [
        ("the admin", "review", {"action": action, "calls": [span]})
        for action, span in (("discard", ids[1]), ("approve", ids[0]), ("save", ids[0]))
    ]
    assert posted(place, seen=seen(place), action="approve").status == 303
    assert "Nothing waits." in ask(url, "/review", headers=browser).text


def test_only_what_was_seen_is_approved(place, reviewing, say):
    """What has come, was said or was changed since the page was shown waits on, and that is told."""
    _, _, _, ids, path = place
    shown = seen(place)
    one = seen(place, f"?id={ids[1]}")
    reviewing(store=str(path))
    say("question 3")
    rlhf.feedback.record(span_id=ids[1], value=False, comment="unseen")
    assert rlhf.shutdown(5)
    posted(place, id=ids[2], action="save", **{"text.0": "changed"})
    told = "1+came+or+changed+meanwhile%2C+and+wait."
    assert (
        posted(place, id=ids[1], seen=one, action="approve").headers["location"].endswith(f"Approved+nothing.+{told}")
    )
    assert posted(place, action="approve").headers["location"].endswith(f"Approved+nothing.+{told.replace('1', '4')}")
    assert (
        posted(place, seen=shown, action="approve").headers["location"].endswith(f"feedback.+{told.replace('1', '3')}")
    )
    assert waiting(path) == ["question 1", "changed", "question 3"]


def test_who_may_not(place):
    """Neither other roles, nor nobody, nor a page of another server; and what does not wait is not found."""
    url, browser, tokens, ids, path = place
    for role in ("annotator", "reader", "ingest"):
        assert ask(url, "/review", headers=bearer(tokens[role])).status == 403
    assert ask(url, "/review").status == 401
    for told in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {}):
        headers = {"Cookie": browser["Cookie"], **told}
        assert ask(url, "/review", "POST", b"action=discard", headers).status == 403
    assert posted(place, id="f" * 16, action="approve").status == 404
    assert posted(place, id=ids[0], action="x").status == 400
    for nothing in ("text.nothing", "text.9"):
        assert posted(place, id=ids[0], action="save", **{nothing: "x"}).status == 400
    assert len(waiting(path)) == 3


def test_without_a_queue_there_is_no_page(tmp_path):
    """Nor anything in the navigation."""
    path = tmp_path / "store.db"
    tokens = filled(path)
    with Serve(path) as server:
        admin = bearer(tokens["admin"])
        assert ask(server.url, "/review", headers=admin).status == 404
        assert "/review" not in ask(server.url, "/", headers=admin).text
