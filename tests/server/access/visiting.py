"""A server with a few calls in its store, and somebody of every role who asks it for things."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.server.access import ROLES, Principal
from rlhf_otel.server.access.credentials import issue
from rlhf_otel.store import Store

CALL = Interaction(
    trace_id="4bf92f3577b34da6a3ce929d0e0e4736", span_id="00f067aa0ba902b7", start_ns=1_790_000_000_000_000_000,
    end_ns=1_790_000_001_500_000_000, operation="chat", provider="openai", request_model="gpt-4.1",
    input=[{"role": "user", "parts": [{"type": "text", "content": "What is the canary-7141?"}]}],
    output=[{"role": "assistant", "parts": [{"type": "text", "content": "A bird."}], "finish_reason": "stop"}],
    session="s-1", user="u-1", input_tokens=5, output_tokens=3,
)  # fmt: skip
OPINION = Feedback(
    id="f-1", name="user_feedback", kind="binary", value=True, time_ns=1_790_000_002_000_000_000, rater="u-1",
    trace_id=CALL.trace_id, span_id=CALL.span_id, comment="Thanks.",
)  # fmt: skip
PAGES = ("/", f"/calls/{CALL.span_id}")
"""What a person reads."""
READ = (*PAGES, "/api/interactions", f"/api/interactions/{CALL.span_id}", "/api/feedback", "/api/stats",
        "/api/openapi.json")  # fmt: skip
"""What nobody may see who has not shown who they are."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def cookie(self) -> str:
        """The cookie that was set, as a browser sends it back."""
        return str(self.headers["set-cookie"]).partition(";")[0]


def filled(path: Path) -> dict[str, str]:
    """Makes the store; the token of each role."""
    with Store.open(path) as store:
        store.add([CALL], [OPINION])
        return {role: issue(store, "token", Principal(f"the {role}", role), None) for role in ROLES}


def ask(
    url: str, path: str, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """One request, with no header that is not told; the path goes out as it is."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    connection.request(method, path, body, dict(headers or {}))
    response = connection.getresponse()
    answer = Answer(response.status, response.headers, response.read())
    connection.close()
    return answer


def bearer(token: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"Authorization": f"Bearer {token}"}


def logged_in(url: str, token: str) -> dict[str, str]:
    """The header of a browser in which somebody has logged in with a token."""
    answer = ask(url, "/login", "POST", f"token={token}".encode(), {"Origin": url})
    assert answer.status == 303
    return {"Cookie": answer.cookie}


def audited(path: Path, action: str | None = None) -> list[Any]:
    """What was noted, the newest first: who, what they did and with what."""
    with Store.open(path, read_only=True) as store:
        return [(entry.who, entry.action, entry.what) for entry in store.audited(action=action)]
