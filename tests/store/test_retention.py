"""What is old goes, and its space with it; what is left is read as it was."""

from __future__ import annotations

import random
import sqlite3
from typing import TYPE_CHECKING, Any

from rlhf_otel.otel_records import LogRecord, MetricPoint, SpanRecord
from rlhf_otel.store import Store, retention
from rlhf_otel.store.otlp import Decoded

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def texts(n: int, size: int = 400) -> str:
    """A text that no other number has, and that cannot be deflated much."""
    return "".join(random.Random(n).choices("abcdefghijklmnopqrstuvwxyz ABCDEFGH", k=size))


def said(n: int, role: str = "user") -> dict[str, Any]:
    """A message."""
    return {"role": role, "parts": [{"type": "text", "content": f"{n} {texts(n)}"}]}


def chats(call: Any, count: int, turns: int = 4) -> list[Any]:
    """Calls of chats, one chat after the other; each call has all that was said before in its chat."""
    calls = []
    for chat in range(count):
        history: list[Any] = []
        for turn in range(turns):
            n = chat * turns + turn
            history = [*history, said(2 * n)]
            answer = said(2 * n + 1, "assistant")
            calls.append(call(n, input=history, output=[answer], session=f"s{chat}"))
            history = [*history, answer]
    return calls


def left(store: Store) -> list[int]:
    """The numbers of the calls that are left, by when they began."""
    return [each.start_ns // 10**9 for each in store.interactions(newest_first=False)]


def size(store: Store) -> int:
    """The bytes that the store takes, those in its log included."""
    return retention.Retention(store._reading, store._writing)._size()


def unused(store: Store) -> list[Any]:
    """Messages, shapes and settings that nothing refers to."""
    with store._reading() as connection:
        found = retention._Unused(connection)
        return [*found._left["message"], *found._left["shape"], *found._left["setting"]]


def test_what_is_too_old_goes_with_all_that_only_it_had(store: Store, call: Any, vote: Any) -> None:
    """Also messages in the middle of a chat; what the newer calls share with the older ones stays, to the letter."""
    calls = chats(call, 6)
    store.add(calls, spans=[SpanRecord(trace_id="a" * 32, span_id=f"{n:016x}", start_ns=n * 10**9, end_ns=0)
                            for n in range(1, 24)])  # fmt: skip
    store.add_decoded(Decoded(
        logs=[LogRecord(time_ns=n * 10**9, body=texts(n)) for n in range(24)],
        points=[MetricPoint(name="m", kind="gauge", time_ns=n * 10**9, value=n) for n in range(24)],
    ))  # fmt: skip
    removed = store.retain(max_age_s=10, now_ns=24 * 10**9)
    assert removed._replace(messages=0) == (14, 13, 14, 14, 0, 0)
    assert list(store.interactions(newest_first=False)) == calls[14:]
    assert [len(store.spans("a" * 32)), len(store.logs()), len(store.points())] == [10, 10, 10]
    assert unused(store) == []
    assert removed.messages == 2 * 12  # of three chats; the fourth still has a call that tells all of it
    assert store.counts()["messages"] == 2 * 12
    store.add(calls)
    assert list(store.interactions(newest_first=False)) == calls


def test_feedback_goes_by_age_only_with_what_it_is_about(store: Store, call: Any, vote: Any) -> None:
    """As long as its call is there, it is; and younger feedback waits for a call that may come again."""
    store.add([call(1), call(20)], [
        vote(call(1), time_ns=2 * 10**9), vote(call(20), time_ns=3 * 10**9), vote(call(1), time_ns=19 * 10**9),
        vote(span_id="f" * 16, time_ns=4 * 10**9), vote(kind="retraction", retracts="f1", time_ns=5 * 10**9),
    ])  # fmt: skip
    assert store.retain(max_age_s=10, now_ns=24 * 10**9).feedback == 3
    assert [store.feedback(f"f{n}") is not None for n in range(1, 6)] == [False, True, True, False, False]


def test_beyond_its_size_a_store_lets_the_oldest_go_and_the_file_shrinks(path: Path, call: Any) -> None:
    """Down to the size that was asked for, and not much below."""
    calls = chats(call, 100)
    with Store.open(path) as store:
        for at in range(0, len(calls), 50):
            store.add(calls[at : at + 50])
        store.retain(max_bytes=10**9)
        assert len(left(store)) == 400
        before = size(store)
        store.retain(max_bytes=before // 2)
        assert before // 4 < path.stat().st_size <= before // 2
        kept = left(store)
        assert kept == list(range(400 - len(kept), 400))
        assert list(store.interactions(newest_first=False)) == calls[-len(kept) :]
        assert unused(store) == []


def test_what_was_rated_goes_after_what_was_not_and_feedback_last(path: Path, call: Any, vote: Any) -> None:
    """A call that somebody rated is worth more than its age."""
    calls = chats(call, 120)
    with Store.open(path) as store:
        store.add(calls, [vote(each) for each in calls[:40]])
        store.retain(max_bytes=size(store) // 2)
        kept = left(store)
        assert kept[:40] == list(range(40)) and 40 < len(kept) < 300
        store.retain(max_bytes=1)
        assert (left(store), store.counts()["feedback"]) == ([], 0)


def test_feedback_outlives_the_calls(path: Path, call: Any, vote: Any) -> None:
    """Where all calls must go, what people said may be joined when they come again."""
    calls = chats(call, 100)
    with Store.open(path) as store:
        store.add(calls, [vote(each) for each in calls[:40]])
        store.retain(max_bytes=200_000)
        assert store.counts()["feedback"] == 40
        store.add(calls[:1])
        assert [each.id for each in store.feedback_on(calls[:1])[calls[0].span_id]] == ["f1"]


def test_what_comes_back_while_it_is_removed_stays(path: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may say again what nothing referred to a moment ago, and base on it what it says next."""
    calls = chats(call, 4)
    again = [
        call(50, input=calls[3].input, output=[said(999)], session="s"),
        call(51, input=[*calls[2].input, said(7)]),
    ]
    with Store.open(path) as store, Store.open(path) as other:
        store.add(calls)
        looked = retention._Unused.__init__

        def looked_while_others_write(unused: Any, connection: Any) -> None:
            looked(unused, connection)
            other.add(again)

        monkeypatch.setattr(retention._Unused, "__init__", looked_while_others_write)
        store.retain(max_age_s=10, now_ns=18 * 10**9)
        monkeypatch.undo()
        assert list(store.interactions(newest_first=False)) == [*calls[8:], *again]
        assert unused(store) == []


def test_a_file_that_could_not_shrink_is_made_one_that_can(path: Path, call: Any) -> None:
    """Files of the first version are written anew once."""
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA auto_vacuum = NONE")
    raw.execute("CREATE TABLE t (a)")
    raw.execute("DROP TABLE t")
    raw.close()
    with Store.open(path) as store:
        store.add(chats(call, 90))
        before = size(store)
        store.retain(max_age_s=1, now_ns=350 * 10**9)
        assert path.stat().st_size < before / 2
        assert len(left(store)) == 11


def test_nothing_asked_for_removes_nothing(store: Store, call: Any) -> None:
    """Neither age nor size."""
    store.add([call(1)])
    assert store.retain() == (0, 0, 0, 0, 0, 0)
    assert left(store) == [1]
