"""Two services that baggage joins, as two processes under the launcher."""

from __future__ import annotations

import json
from urllib.request import Request, urlopen

from rlhf_otel.store import Store


def test_a_thumb_at_the_one_finds_the_call_of_the_other(start, tmp_path, eventually):
    """The call has the session and user that only the first service knew, and the thumb is on it."""
    front = url_of(start("two_services.py", "front", "0", url_of(start("two_services.py", "answers", "0"))))
    asked = Request(f"{front}/ask", b"How do I keep basil fresh?", {"x-session": "conv-42", "x-user": "u1"})
    with urlopen(asked, timeout=30) as came:
        token = came.headers["x-rlhf-token"]
        assert came.read()
    vote = json.dumps({"token": token, "value": True}).encode()
    with urlopen(Request(f"{front}/v1/feedback", vote, {"content-type": "application/json"}), timeout=30) as taken:
        assert taken.status == 202
    with Store.open(tmp_path / ".rlhf-otel" / "store.db") as store:
        expected = [("conv-42", "u1", {"channel": "web"}, [True])]
        assert eventually(lambda: rated(store), expected) == expected


def url_of(service):
    """Where a service says that it is."""
    return service.stdout.readline().split(" at ")[1].strip()


def rated(store):
    """What was attached to each rated call, and its votes."""
    calls = list(store.interactions(has_feedback=True))
    votes = store.feedback_on(calls)
    return [(call.session, call.user, call.context, [vote.value for vote in votes[call.span_id]]) for call in calls]
