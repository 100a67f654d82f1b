"""What people complain about in other instrumentations, 30 and 36 to 38: votes that block, double, vanish or stray."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
from click.testing import CliRunner

import rlhf_otel as rlhf
from rlhf_otel import feedback
from rlhf_otel.cli.main import cli
from rlhf_otel.cli.recipe_options import read
from rlhf_otel.datasets import Recipe, make_dataset
from rlhf_otel.export.spool.segments import Segment
from rlhf_otel.records import Interaction
from rlhf_otel.store import Store
from rlhf_otel.testing import Reply
from rlhf_otel.token import rater_hash
from rlhf_otel.web import FeedbackApp, TraceHeaders
from tests.instrumentation.clockwork import MESSAGES
from tests.server.process import Serve
from tests.web.conftest import serving

DAY = 86_400 * 10**9
ASK: Any = {"model": "m", "messages": MESSAGES}
KEY = "a secret of these tests"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where the application keeps its calls."""
    path = tmp_path / "calls.db"
    rlhf.instrument(store=str(path))
    return path


def kept(path: Path) -> Store:
    """What has arrived."""
    assert rlhf.flush(20)
    return Store.open(path, read_only=True)


def test_30_a_vote_does_not_hold_up_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand votes, and a dead backend: each is written, none on the loop's thread, which goes on meanwhile."""
    writers, between, append = set(), [], Segment.append

    def noted(self: Segment, data: bytes) -> int:
        writers.add(threading.current_thread())
        return append(self, data)

    monkeypatch.setattr(Segment, "append", noted)
    rlhf.instrument(endpoint="http://127.0.0.1:9", exit_timeout=0.1)

    async def main() -> list[Any]:
        votes = [asyncio.create_task(feedback.arecord(span_id=f"{n:016x}", value=True)) for n in range(1, 1001)]
        while not all(vote.done() for vote in votes):
            await asyncio.sleep(0.001)
            between.append(sum(vote.done() for vote in votes))
        return await asyncio.gather(*votes)

    refs = asyncio.run(main())
    rlhf.shutdown(0.1)
    assert {ref.status for ref in refs} == {"spooled"}
    assert threading.main_thread() not in writers
    assert len({done for done in between if 0 < done < 1000}) > 1  # the loop has seen some of them done, others not


def test_36_a_vote_of_another_day_replaces_the_first(store: Path, llm, clients, tmp_path: Path) -> None:
    """One value counts, the history has all, taking it back leaves none, and an export has what counts."""
    with rlhf.context(consent="train"):
        handle = rlhf.handle(clients["openai", "sync"].chat.completions.create(**ASK))
    now = time.time_ns()
    for day, value in enumerate((True, False, True, False)):
        feedback.record(handle, value, rater="u1", time_ns=now + day * DAY, id=f"day-{day}")
    feedback.record(handle, False, rater="u1", time_ns=now + 3 * DAY, id="day-3")  # sent twice
    feedback.record(handle, True, rater="u2", time_ns=now, id="other")
    with kept(store) as opened:
        (call,) = opened.interactions()
        assert [(f.rater, f.value) for f in opened.feedback_on([call])[call.span_id]] == [("u2", True), ("u1", False)]
        assert [f.id for f in opened.history(call)] == ["day-0", "other", "day-1", "day-2", "day-3"]
    feedback.retract("other")
    with kept(store) as opened:
        assert [f.id for f in opened.feedback_on([call])[call.span_id]] == ["day-3"]
        recipe = Recipe(format="kto")
        made = make_dataset(read(opened, recipe), recipe, tmp_path / "out")
    assert made.rows == {"train": 1}
    (row,) = map(json.loads, (tmp_path / "out" / "train.jsonl").read_text().splitlines())
    assert row["label"] is False


@pytest.mark.parametrize("later", [-3600 * 10**9, 30 * DAY], ids=["an hour before", "30 days after"])
@pytest.mark.parametrize("by", ["span id", "message"])
def test_37_a_vote_before_or_long_after_its_call_is_joined(later: int, by: str, store: Path) -> None:
    """It waits, is listed as waiting, and is joined when the call comes; nothing is lost where that never does."""
    named = {"span_id": "00f067aa0ba902b7"} if by == "span id" else {"message": "m-7"}
    for target in (named, {"message": "never"}):
        feedback.record(**target, value=True, time_ns=time.time_ns() + later)
    rlhf.flush(20)
    listed = CliRunner().invoke(cli, ["feedback", "--pending", "--json", "--store", str(store)])
    assert len(json.loads(listed.stdout)) == 2
    with Store.open(store) as opened:
        opened.add([Interaction(trace_id="ab" * 16, span_id="00f067aa0ba902b7", start_ns=time.time_ns(),
                                end_ns=time.time_ns(), operation="chat", message_id="m-7")])  # fmt: skip
        (call,) = opened.interactions()
        assert [f.value for f in opened.feedback_on([call])[call.span_id]] == [True]
        assert [f.message_id for f in opened.pending()] == ["never"]


def test_38_whatever_id_one_has_leads_to_the_call(store: Path, llm, server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The response, the context, the response's headers, the provider's id and one's own are the same call's."""
    monkeypatch.setenv("RLHF_OTEL_TOKEN_KEY", KEY)
    client = openai.AsyncOpenAI(base_url=server.openai_url, api_key="k", max_retries=0)
    llm.script(Reply(text="Paris."))
    seen: dict[str, Any] = {}

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        with rlhf.context(message="m-7"):
            response = await client.chat.completions.create(**ASK)
        seen.update(response=response, last=rlhf.last(), response_id=response.id)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    with serving(TraceHeaders(FeedbackApp(application)), "asgi") as port:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("POST", "/chat")
        headers = connection.getresponse().headers
        body = json.dumps({"token": headers["x-rlhf-token"], "value": True, "name": "token"})
        connection.close()
        connection.request("POST", "/v1/feedback", body, {"Content-Type": "application/json"})
        assert connection.getresponse().status == 202
        connection.close()
    ways = {"response": seen["response"], "context": seen["last"], "header": headers["traceparent"],
            "response id": seen["response_id"]}  # fmt: skip
    for name, target in ways.items():
        assert feedback.record(target, True, name=name).status == "joined"
    feedback.record(message="m-7", value=True, name="own id")
    with kept(store) as opened:
        (call,) = opened.interactions()
        assert {f.name for f in opened.feedback_on([call])[call.span_id]} == {*ways, "own id", "token"}


SESSIONS, AT_ONCE = 1000, 50


def test_38_a_thousand_sessions_at_once(llm, server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every vote of a page, by the token of its answer, is on its own call in the server's store: no mismatch."""
    path = tmp_path / "served.db"
    monkeypatch.setenv("RLHF_OTEL_TOKEN_KEY", KEY)
    environ = {"RLHF_OTEL_TOKEN_KEY": KEY, "RLHF_OTEL_SERVER_FEEDBACK_PER_ADDRESS": "0"}
    with Serve(path, environ=environ) as served:
        rlhf.instrument(endpoint=served.url)
        answers = asyncio.run(conversations(server.openai_url))
        local = threading.local()

        def vote(answer: tuple[str, str]) -> int:
            session, token = answer
            if not hasattr(local, "connection"):
                local.connection = http.client.HTTPConnection("127.0.0.1", served.port)
            said = {"token": token, "value": 5, "scale": [1, 5], "comment": session}
            local.connection.request("POST", "/v1/feedback", json.dumps(said), {"Content-Type": "application/json"})
            response = local.connection.getresponse()
            response.read()
            return response.status

        with ThreadPoolExecutor(8) as pages:
            assert set(pages.map(vote, answers)) == {202}
        assert rlhf.flush(60)
        calls = served.interactions()
        with Store.open(path, read_only=True) as opened:
            joined = {call.session: opened.feedback_on([call])[call.span_id] for call in calls}
            pending = opened.pending()
    assert (len(calls), len(joined), pending) == (SESSIONS, SESSIONS, [])
    strays = [(session, votes) for session, votes in joined.items()
              if [(f.comment, f.rater) for f in votes] != [(session, rater_hash(f"rater of {session}"))]]  # fmt: skip
    assert strays == []


async def conversations(url: str) -> list[tuple[str, str]]:
    """A call in each of a thousand sessions, many at once; the session and the token that its page is given."""
    client, gate = openai.AsyncOpenAI(base_url=url, api_key="k", max_retries=0), asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> tuple[str, str]:
        session = f"conv-{number}"
        async with gate:
            with rlhf.context(session=session):
                response = await client.chat.completions.create(**ASK)
        return session, rlhf.handle(response).token(rater=f"rater of {session}")

    async with client:
        return await asyncio.gather(*map(one, range(SESSIONS)))
