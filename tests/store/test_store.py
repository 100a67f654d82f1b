"""Finding, filtering and counting what is in a store."""

from __future__ import annotations

import itertools
import stat
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlhf_otel.otel_records import SpanRecord
from rlhf_otel.store import Store, StoreError
from rlhf_otel.store.sqlite import PAGE


def numbers(found: Any) -> list[int]:
    """The numbers that `call` gave these interactions."""
    return [int(interaction.span_id, 16) - 1 for interaction in found]


def test_a_new_store_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Every folder on the way is made with 0700 and the file with 0600: it holds what people wrote."""
    with Store.open(tmp_path / "a" / "b" / "store.db") as store:
        assert Path(store.path) == tmp_path / "a" / "b" / "store.db"
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (tmp_path / "a", tmp_path / "a" / "b", Path(store.path))]
    assert modes == [0o700, 0o700, 0o600]


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` in a setting works as it does in a shell."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with Store.open("~/store.db"):
        assert (tmp_path / "store.db").exists()


def test_a_store_in_memory_leaves_nothing_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Any
) -> None:
    """Where somebody forbids the disk, nothing is written to it."""
    monkeypatch.chdir(tmp_path)
    with Store.open(":memory:") as store:
        store.add([call(n) for n in range(100)])
        assert list(tmp_path.iterdir()) == []


def test_adding_twice_is_adding_once(store: Store, call: Any, vote: Any) -> None:
    """Delivery is at least once; what is there stays as it was."""
    span = SpanRecord(trace_id="a" * 32, span_id="b" * 16, start_ns=1, end_ns=2)
    given = [vote(call(1))]
    for name in ("chat m-1", "another name"):
        store.add([call(1, name=name)], given, [span])
    assert store.counts() == {"interactions": 1, "feedback": 1, "pending": 0, "spans": 1, "messages": 2}
    assert store.interaction(call(1).span_id) == call(1)


def test_a_batch_is_stored_whole_or_not_at_all(store: Store, call: Any) -> None:
    """A record that cannot be stored takes its batch with it, and the store goes on."""
    with pytest.raises(AttributeError):
        store.add([call(1), "no interaction"])
    assert store.counts()["interactions"] == 0
    store.add([call(1)])
    assert store.counts()["interactions"] == 1


def test_the_same_message_is_kept_once(store: Store, call: Any) -> None:
    """A chat repeats its history in every call; the answer of one call is the history of the next."""
    history: list[Any] = []
    for n in range(20):
        history.append({"role": "user", "parts": [{"type": "text", "content": f"question {n}"}]})
        answer = {"role": "assistant", "parts": [{"type": "text", "content": f"answer {n}"}]}
        store.add([call(n, input=list(history), output=[{**answer, "finish_reason": "stop"}])])
        history.append(answer)
    assert store.counts()["messages"] == 40


def test_an_absent_interaction_is_none(store: Store, call: Any) -> None:
    """Asking for what is not there is no error."""
    store.add([call(1)])
    assert store.interaction("f" * 16) is None
    assert store.interaction(call(1).span_id, "f" * 32) is None
    assert store.find(session="nobody") is None
    assert store.spans("f" * 32) == []


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE])
def test_interactions_come_in_order_of_their_start(store: Store, call: Any, newest_first: bool, count: int) -> None:
    """Across pages, with several at the same moment, each exactly once."""
    store.add([call(n, start_ns=n // 3) for n in range(count)])
    found = list(store.interactions(newest_first=newest_first))
    starts = [each.start_ns for each in found]
    assert starts == sorted(starts, reverse=newest_first)
    assert sorted(numbers(found)) == list(range(count))


def steps_of(store: Store, work: Callable[[], Any]) -> int:
    """How many instructions of SQLite's machine `work` takes: what a clock would say on a quiet computer."""
    steps = itertools.count()
    with store._reading() as connection:
        connection.set_progress_handler(lambda: next(steps) < 0, 1)
    work()
    with store._reading() as connection:
        connection.set_progress_handler(None, 1)
    return next(steps)


@pytest.mark.parametrize(
    "pattern",
    ["19:meeting_{:032x}@thread.v2", "{:011}@s.whatsapp.net", "agent-session-2026-{:08}", "{:08}-of-the-help-desk"],
)
def test_ids_are_found_among_thousands_that_begin_or_end_alike(call: Any, vote: Any, pattern: str) -> None:
    """Every look-up by session and by response id takes as many steps as among ten."""
    few, many = (steps_of_look_ups(call, vote, pattern, count) for count in (10, 5000))
    assert all(among_many < 1.2 * among_few for among_few, among_many in zip(few, many, strict=True)), (few, many)


def steps_of_look_ups(call: Any, vote: Any, pattern: str, count: int) -> list[int]:
    """The steps of each look-up by an id that `pattern` makes, in a store of `count` calls; their results are right."""
    texts = [pattern.format(n) for n in range(count)]
    calls = [call(n, session=text, response_id=f"r-{text}") for n, text in enumerate(texts)]
    rated, votes = calls[3], [vote(session=texts[3], rater=str(n)) for n in range(20)]
    with Store.open(":memory:") as store:
        store.add(calls, [*votes, vote(response_id=rated.response_id), vote(session=pattern.format(count))])
        look_ups: list[tuple[Callable[[], Any], Any]] = [
            (lambda: store.find(session=rated.session), rated.handle),
            (lambda: store.find(response_id=rated.response_id), rated.handle),
            (lambda: numbers(store.interactions(session=rated.session)), [3]),
            (lambda: len(store.feedback_on([rated])[rated.span_id]), 21),
            (lambda: len(store.pending()), 1),
        ]
        assert [work() for work, _ in look_ups] == [expected for _, expected in look_ups]
        return [steps_of(store, work) for work, _ in look_ups]


@pytest.mark.parametrize("limit", [0, 1, PAGE, PAGE + 1, 500])
def test_a_limit_is_an_upper_bound(store: Store, call: Any, limit: int) -> None:
    """The newest so many."""
    store.add([call(n) for n in range(PAGE + 10)])
    assert numbers(store.interactions(limit=limit)) == list(range(PAGE + 9, -1, -1))[:limit]


def test_filters_narrow_together(store: Store, call: Any) -> None:
    """Each filter alone, and all at once."""
    odd = {"session": "s", "user": "ann", "provider": "anthropic", "response_model": "claude", "status": "error",
           "trace_id": "a" * 32}  # fmt: skip
    resource = {"resource": {"service.name": "bot"}}
    store.add([call(n, **({**odd, **resource} if n % 2 else {})) for n in range(10)])
    odds = [9, 7, 5, 3, 1]
    for name, value in {**odd, "model": "claude", "service": "bot"}.items():
        if name != "response_model":
            assert numbers(store.interactions(**{name: value})) == odds
    assert numbers(store.interactions(model="m-1")) == list(range(9, -1, -1))
    both = store.interactions(session="s", service="bot", since_ns=3 * 10**9, until_ns=7 * 10**9)
    assert numbers(both) == [5, 3]
    store.add([call(10, anonymous_user="drawn")])
    assert numbers(store.interactions(user="drawn")) == [10]


def test_the_store_may_be_written_while_it_is_read(store: Store, call: Any) -> None:
    """A reader holds nothing up between two interactions, and one thread may do both."""
    store.add([call(n) for n in range(3 * PAGE)])
    seen = 0
    for interaction in store.interactions():
        store.add([call(1000 + seen)])
        assert store.feedback_on([interaction]) == {interaction.span_id: []}
        seen += 1
    assert seen == 3 * PAGE


def test_reading_takes_memory_for_a_page_only(path: Path, call: Any) -> None:
    """Ten times as much in the store takes no more memory to stream."""
    text = [{"role": "user", "parts": [{"type": "text", "content": "x" * 20_000}]}]
    peaks = []
    with Store.open(path) as store:
        for count in (2 * PAGE, 20 * PAGE):
            store.add([call(n, input=[*text, {"role": "user", "parts": [{"content": str(n)}]}]) for n in range(count)])
            tracemalloc.start()
            assert sum(1 for _ in store.interactions()) == count
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]


def test_find_takes_the_newest_that_goes_by_all_the_ids(store: Store, call: Any) -> None:
    """The handle has what feedback needs to point at the call."""
    store.add([call(n, session="s", message_id=f"m{n % 2}", response_id=f"r{n}") for n in range(6)])
    assert store.find(session="s") == call(5, response_id="r5").handle
    assert store.find(session="s", message_id="m0") == call(4, response_id="r4").handle
    assert store.find(response_id="r2") == call(2, response_id="r2").handle
    assert store.find(span_id=call(2).span_id, message_id="m1") is None


def test_feedback_is_found_by_its_id(store: Store, call: Any, vote: Any) -> None:
    """Whether its call is there or not; an id that nobody gave finds nothing."""
    store.add([call(0)], [joined := vote(call(0)), waiting := vote(call(1))])
    assert [store.feedback(one.id) for one in (joined, waiting)] == [joined, waiting]
    assert store.feedback("nobody") is None


def test_find_without_an_id_is_a_mistake(store: Store) -> None:
    """It says what it needs."""
    with pytest.raises(StoreError, match="needs a span id"):
        store.find()


def test_ids_that_end_alike_are_told_apart(store: Store, call: Any) -> None:
    """The whole id decides."""
    ids = ["a-12345678", "b-12345678", "12345678"]
    store.add([call(n, response_id=name, session=name) for n, name in enumerate(ids)])
    for n, name in enumerate(ids):
        assert store.find(response_id=name) == call(n, response_id=name).handle
        assert numbers(store.interactions(session=name)) == [n]


def test_spans_of_a_trace_come_in_order(store: Store) -> None:
    """The tree around the calls, by start."""
    spans = [SpanRecord(trace_id="a" * 32, span_id=f"{n:016x}", start_ns=9 - n, end_ns=10) for n in range(3)]
    store.add(spans=[*spans, SpanRecord(trace_id="b" * 32, span_id="c" * 16, start_ns=1, end_ns=2)])
    assert store.spans("a" * 32) == spans[::-1]


def test_a_closed_store_says_so(store: Store, call: Any) -> None:
    """Closing twice is fine; using it afterwards is not."""
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.add([call(1)])
    with pytest.raises(StoreError, match="closed"):
        store.counts()


def test_a_read_only_store_reads_and_writes_nothing(path: Path, call: Any) -> None:
    """It sees what is there, refuses to add, and leaves no file beside the store."""
    with Store.open(path) as store:
        store.add([call(1)])
    before = sorted(file.name for file in path.parent.iterdir())
    with Store.open(path, read_only=True) as store:
        assert numbers(store.interactions()) == [1]
        with pytest.raises(StoreError, match="reading only"):
            store.add([call(2)])
    assert sorted(file.name for file in path.parent.iterdir()) == before


def test_a_read_only_store_follows_those_who_write(path: Path, call: Any) -> None:
    """Also where nobody had the store open when it was opened for reading."""
    with Store.open(path) as writer:
        writer.add([call(1)])
    with Store.open(path, read_only=True) as reader:
        assert reader.counts()["interactions"] == 1
        with Store.open(path) as writer:
            writer.add([call(2)])
            assert reader.counts()["interactions"] == 2
        with Store.open(path) as writer:
            writer.add([call(3)])
        assert reader.counts()["interactions"] == 3


def test_the_few_rated_calls_are_found_without_a_walk_through_the_others(call: Any, vote: Any) -> None:
    """Also where all the newer ones have no feedback; and a model that nobody used is no reason for a walk either."""
    steps = []
    for count in (100, 3000):
        with Store.open(":memory:") as store:
            store.add([call(n, session="s", response_id=f"r{n}") for n in range(count)])
            store.add(feedback=[vote(call(0)), vote(response_id="r1"), vote(response_id="nobody")])
            assert numbers(store.interactions(has_feedback=True)) == [1, 0]
            rated = steps_of(store, lambda store=store: list(store.interactions(has_feedback=True)))
            unknown = steps_of(store, lambda store=store: list(store.interactions(model="nobody's")))
            steps.append((rated, unknown))
    assert steps[1][0] < 1.2 * steps[0][0]
    assert steps[1][1] < 1.2 * steps[0][1]


def test_ids_with_one_hash_are_told_apart(store: Store, call: Any, vote: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four bytes of a hash do meet now and then; the whole id decides."""
    for module in ("rows", "joins", "sqlite", "adding"):
        monkeypatch.setattr(f"rlhf_otel.store.{module}.text_hash", lambda text: 7)
    calls = [call(n, response_id=f"r{n}", session=f"s{n}") for n in range(3)]
    store.add(calls, [vote(session="s1"), vote(response_id="r2"), vote(session="s9")])
    assert store.find(session="s0") == calls[0].handle
    assert store.find(response_id="r1") == calls[1].handle
    assert numbers(store.interactions(session="s2")) == [2]
    assert [[each.id for each in on] for on in store.feedback_on(calls).values()] == [[], ["f1"], ["f2"]]
    assert [each.id for each in store.pending()] == ["f3"]
