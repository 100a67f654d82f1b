"""What is erased leaves no byte, what others share stays readable, and nothing brings it back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rlhf_otel.otel_records import LogRecord, MetricPoint, SpanRecord
from rlhf_otel.store import Store
from rlhf_otel.store.adding import Decoded
from rlhf_otel.store.erasing import Erasing, clean, lift, tombstones
from rlhf_otel.store.inbox import Inbox
from rlhf_otel.store.messages import Chains, references
from rlhf_otel.store.tombstones import Subject
from tests.store.test_retention import unused

ANN = Subject("user", "ann@people.example")
NOW, LATER = 1_700_000_000, 4_000_000_000


def said(text: str, role: str = "user") -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def noise(seed: int, length: int = 300) -> str:
    """A text that cannot be deflated much."""
    return "".join(
        random.Random(seed).choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=length)
    )


def erase(store: Store, subject: Subject = ANN, **how: Any) -> Any:
    """Erases, and cleans the file."""
    removed = Erasing(store, subject, **how).run()
    assert clean(store)
    return removed


def bodies(store: Store) -> set[bytes]:
    """The middle of everything that is stored of calls and feedback: what of it is left somewhere is found by that."""
    with store._reading() as connection:
        found = {bytes(body) for table in ("message", "feedback", "log", "span") for (body,) in
                 connection.execute(f"SELECT body FROM {table}")}  # fmt: skip
        found |= {bytes(rest) for (rest,) in connection.execute("SELECT rest FROM interaction WHERE rest IS NOT NULL")}
    return {body[4:40] for body in found if len(body) > 48}


def files(path: Path) -> bytes:
    """Every byte in the folder of a store."""
    return b"".join(each.read_bytes() for each in path.parent.rglob("*") if each.is_file())


@pytest.fixture
def calls(call: Callable[..., Any]) -> list[Any]:
    """Two people who say the same things after one another, and each their own; two calls of each."""
    made = []
    for n, user in enumerate(["ann@people.example", "bob", "ann@people.example", "bob"]):
        own = said(f"{user} {noise(n // 2 * 2 + (user == 'bob'))}")
        shared = said("the same words of both, which are stored once", "assistant")
        ids = {"session": f"of-{user}", "message_id": f"m-{n}-{user}", "response_id": f"r-{n}-{user}"}
        words = [own, shared, said("thanks, all of you")]
        made.append(call(NOW + n, input=words, user=user, context={"note": noise(50 + n)}, **ids))
    return made


def test_a_person_is_gone_and_others_read_as_they_were(store: Store, calls: list[Any], vote: Any) -> None:
    """Calls by the person and feedback on and by them go; others' calls, deflated against theirs, stay."""
    on_ann, by_ann, of_bob = vote(calls[0], rater="carl"), vote(calls[1], rater=ANN.id), vote(calls[3], rater="bob")
    store.add(calls, [on_ann, by_ann, of_bob])
    removed = erase(store)
    assert (removed.interactions, removed.feedback) == (2, 2)
    left = list(store.interactions(newest_first=False))
    assert left == [calls[1], calls[3]]
    assert store.feedback_on(left) == {calls[1].span_id: [], calls[3].span_id: [of_bob]}
    assert unused(store) == []


def test_no_byte_is_left(path: Path, calls: list[Any], vote: Any) -> None:
    """Neither an id nor a piece of what was stored is in any file, the log and unused pages included."""
    bob, ann = [each for each in calls if each.user == "bob"], [each for each in calls if each.user == ANN.id]
    with Store.open(path) as store:
        store.add(bob, [vote(bob[0], comment=noise(9), rater="bob")])
        kept = bodies(store)
        store.add(ann, [vote(ann[0], comment=noise(10), rater="carl"), vote(ann[1], metadata={"why": noise(11)})])
        gone = bodies(store) - kept
        assert len(gone) > 5
        ids = [word.encode() for each in ann for word in (each.session, each.message_id, each.response_id, each.user)]
        before = files(path)
        assert all(piece in before for piece in (*gone, *ids))
        erase(store)
        after = files(path)
        assert [piece for piece in (*gone, *ids) if piece in after] == []
        assert all(piece in after for piece in kept)


def test_ids_leave_no_copies_in_the_pages_of_indexes(path: Path, call: Any, vote: Any) -> None:
    """Indexes that have grown hold copies of ids in their pages, which go as well."""
    known = random.Random(4)
    calls = [
        call(
            NOW + n,
            user=f"user-{n % 20}",
            message_id=f"m{known.getrandbits(64):x}",
            session=f"s{known.random()}",
            span_id=f"{known.getrandbits(64) | 1:016x}",
            input=[said(noise(n, 30))],
        )
        for n in range(3000)
    ]
    votes = [vote(id=f"f{known.getrandbits(64):x}", message_id=each.message_id) for each in calls]
    with Store.open(path) as store:
        for at in range(0, 3000, 100):
            store.add(calls[at : at + 100], votes[at : at + 100])
        for user in ("user-3", "user-4"):
            erase(store, Subject("user", user))
            theirs = [n for n, each in enumerate(calls) if each.user == user]
            after = files(path)
            assert [n for n in theirs if calls[n].message_id.encode() in after] == []
            assert [n for n in theirs if calls[n].session.encode() in after] == []
            assert [n for n in theirs if votes[n].id.encode() in after] == []
        assert store.counts()["interactions"] == 2700


def test_what_is_replayed_does_not_come_back(store: Store, calls: list[Any], vote: Any) -> None:
    """The same calls, and feedback that names nothing but one of their ids, are refused and counted."""
    store.add(calls)
    erase(store)
    before = store.counts()
    store.add(calls, [
        vote(calls[0]), vote(rater=ANN.id), vote(message_id=calls[2].message_id), vote(session=calls[0].session),
        vote(response_id=calls[0].response_id), vote(chosen=calls[1].span_id, rejected=calls[2].span_id),
    ])  # fmt: skip
    assert store.counts() == before
    (stone,) = tombstones(store)
    assert (stone.kind, stone.refused) == ("user", 8)


def test_a_call_that_was_never_stored_is_refused_too(store: Store, calls: list[Any]) -> None:
    """The tombstone of a person stands for what comes late from before it was laid."""
    store.add(calls[:1])
    erase(store)
    store.add(calls)
    assert [each.user for each in store.interactions()] == ["bob", "bob"]


def test_a_person_may_come_back(store: Store, calls: list[Any], call: Any) -> None:
    """What begins after the erasure is new, and is taken."""
    store.add(calls)
    erase(store)
    later = call(LATER, user=ANN.id, session=calls[0].session, input=calls[0].input)
    store.add([later])
    assert list(store.interactions(session=calls[0].session)) == [later]


def test_a_tombstone_can_be_lifted(store: Store, calls: list[Any]) -> None:
    """From then on the same calls are taken again."""
    store.add(calls)
    erase(store)
    (stone,) = tombstones(store)
    assert lift(store, stone.number)
    assert not lift(store, stone.number)
    store.add(calls)
    assert store.counts()["interactions"] == 4
    assert tombstones(store) == []


def test_what_lies_in_the_inbox_is_erased(path: Path, calls: list[Any]) -> None:
    """Requests that were confirmed and not taken apart yet are; what comes later leaves no byte there or in the log."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    scoped = request.resource_spans.add().scope_spans.add()
    for each in calls[:2]:
        span = scoped.spans.add(
            name="chat m", trace_id=bytes.fromhex(each.trace_id), span_id=bytes.fromhex(each.span_id)
        )
        span.start_time_unix_nano, span.end_time_unix_nano = each.start_ns, each.end_ns
        for name, value in (("gen_ai.operation.name", "chat"), ("enduser.id", each.user)):
            span.attributes.add(key=name).value.string_value = value
    with Store.open(path) as store:
        for body in (request.SerializeToString(), b"\xff" + ANN.id.encode()):
            Inbox(store).put([("traces", body)])
        assert ANN.id.encode() in files(path)
        erase(store)
        assert ANN.id.encode() not in files(path)
        assert [each.user for each in store.interactions()] == ["bob"]
        inbox = Inbox(store)
        inbox.put([("traces", request.SerializeToString())])  # again, and this time it has lain there as it came
        next(size for size in inbox.read_in() if size)
        assert ANN.id.encode() not in files(path)


def around(call: Any, seconds: int) -> Decoded:
    """A span, an event and a measurement of the trace of a call."""
    ids = {"trace_id": call.trace_id, "resource": {"service.name": "shop"}}
    exemplar = {"time_ns": 1, "value": 1, "trace_id": call.trace_id, "span_id": call.span_id, "attributes": {}}
    return Decoded(
        spans=[SpanRecord(span_id=f"{seconds:016x}", start_ns=NOW * 10**9, end_ns=1, name="GET", **ids)],
        logs=[LogRecord(time_ns=NOW * 10**9, span_id=call.span_id, body="a word", **ids)],
        points=[MetricPoint(name="took", kind="sum", time_ns=seconds, value=3, exemplars=(exemplar,))],
    )


def test_what_is_around_a_call_goes_with_it(store: Store, calls: list[Any]) -> None:
    """Spans and events of its trace go; a data point loses the measurement of it, and stays."""
    alien = SpanRecord(trace_id="f" * 32, span_id="e" * 16, start_ns=NOW, end_ns=1, attributes={"enduser.id": ANN.id})
    store.add_decoded(Decoded(calls), around(calls[0], 1), around(calls[1], 2), Decoded(spans=[alien]))
    removed = erase(store)
    assert (removed.spans, removed.logs, removed.points) == (2, 1, 0)
    assert store.spans(calls[0].trace_id) == []
    assert [len(store.spans(calls[1].trace_id)), len(store.logs())] == [1, 1]
    assert [len(each.exemplars) for each in store.points("took")] == [1, 0]
    store.add_decoded(around(calls[0], 1))
    assert [len(store.spans(calls[0].trace_id)), len(store.logs()), len(store.points())] == [0, 1, 2]
    assert unused(store) == []


@pytest.mark.parametrize("kind", ["session", "trace", "span"])
def test_a_conversation_a_trace_or_a_call_can_be_erased(store: Store, calls: list[Any], vote: Any, kind: str) -> None:
    """Each by its id, with the feedback on it."""
    store.add(calls, [vote(calls[1]), vote(calls[0])])
    name = {"session": calls[1].session, "trace": calls[1].trace_id, "span": calls[1].span_id}[kind]
    removed = erase(store, Subject(kind, name))  # type: ignore[arg-type]
    left = [each.span_id for each in store.interactions(newest_first=False)]
    expected = [each.span_id for each in calls if each.user != "bob" or (kind != "session" and each is calls[3])]
    assert (left, removed.feedback) == (expected, 1)


def test_feedback_alone_can_be_erased(store: Store, calls: list[Any], vote: Any) -> None:
    """The calls stay, may be replayed, and may be rated anew."""
    old = [vote(calls[0], rater="carl"), vote(calls[1], rater=ANN.id), vote(calls[3], rater="bob")]
    store.add(calls, old)
    removed = erase(store, feedback_only=True)
    assert (removed.interactions, removed.feedback) == (0, 2)
    store.add(calls, old)
    assert [store.counts()[name] for name in ("interactions", "feedback")] == [4, 1]
    anew = vote(calls[0], rater=ANN.id, time_ns=LATER * 10**9)
    store.add(feedback=[anew])
    assert store.feedback_on(calls[:1]) == {calls[0].span_id: [anew]}


def test_calls_that_name_nobody_go_with_those_beside_them(store: Store, calls: list[Any], call: Any) -> None:
    """A call without a user in a trace of the person is theirs; one of another person in it is not."""
    trace = calls[0].trace_id
    nobodys, bobs = call(NOW + 10, trace_id=trace), call(NOW + 11, trace_id=trace, user="bob")
    store.add([*calls, nobodys, bobs])
    erase(store)
    assert [each.span_id for each in store.interactions(trace_id=trace)] == [bobs.span_id]


def test_erasing_goes_on_where_it_was_stopped(path: Path, calls: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What stops it between two transactions leaves the tombstone in force; once more does the rest."""
    stops = 0
    while True:
        with Store.open(path.with_name(f"{stops}.db")) as store:
            store.add(calls)
            count = iter(range(stops))
            writing = store._writing

            def stopping(count: Iterator[int] = count, writing: Any = writing) -> Any:
                if next(count, None) is None:
                    raise KeyboardInterrupt
                return writing()

            monkeypatch.setattr(store, "_writing", stopping)
            try:
                Erasing(store, ANN).run()
            except KeyboardInterrupt:
                monkeypatch.undo()
            else:
                monkeypatch.undo()
                break
            if stops:
                store.add(calls)
            assert [each for each in store.interactions(newest_first=False) if each.user == "bob"] == calls[1::2]
            erase(store)
            assert unused(store) == []
            assert list(store.interactions(newest_first=False)) == ([] if not stops else calls[1::2]) or not stops
        stops += 1
    assert stops > 4


def test_others_write_meanwhile(store: Store, calls: list[Any], call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What others add between two transactions may refer to, and be deflated against, what was about to go."""
    from rlhf_otel.store import orphans

    ann = [each for each in calls if each.user == ANN.id]
    later = [call(LATER + n, input=[*ann[n].input, said(noise(70 + n))], user="carl") for n in range(2)]
    step = orphans._Search.step
    coming = iter(later)

    def step_after_others(search: Any, connection: Any) -> int:
        done = step(search, connection)
        for each in coming:
            monkeypatch.undo()
            from rlhf_otel.store.adding import Adding

            Adding(connection).add([Decoded([each])])
            monkeypatch.setattr(orphans._Search, "step", step_after_others)
            break
        return done

    monkeypatch.setattr(orphans, "CHUNK", 1)
    monkeypatch.setattr(orphans._Search, "step", step_after_others)
    store.add(calls)
    erase(store)
    assert list(store.interactions(newest_first=False)) == [*calls[1::2], *later]


def test_the_audit_log_names_nobody_any_more(store: Store, calls: list[Any], vote: Any) -> None:
    """Ids of the person and of feedback go from what was noted before; who read which call stays."""
    given = vote(calls[0], id="m-0:ann", rater=ANN.id)
    store.add(calls, [given, vote(calls[1], id="m-1:bob")])
    store.audit("export", {"out": f"/tmp/of-{ANN.id}", "user": ANN.id, "rows": 3}, who="cli:ada")
    store.audit("read", {"calls": [calls[0].span_id], "feedback": ["m-0:ann", "m-1:bob"]}, who="cli:ada")
    erase(store)
    assert [entry.what for entry in store.audited()] == [
        {"calls": [calls[0].span_id], "feedback": ["[erased]", "m-1:bob"]},
        {"out": "/tmp/of-[erased]", "user": "[erased]", "rows": 3},
    ]


def chained(store: Store) -> Iterable[tuple[int, int]]:
    """How many messages are in the store, and how many of them are deflated against others."""
    with store._reading() as connection:
        yield from connection.execute("SELECT count(*), count(base) FROM message").fetchall()


@pytest.mark.parametrize("seed", range(12))
def test_any_tangle_of_conversations_stays_readable(store: Store, call: Any, seed: int) -> None:
    """Of people who say the same or not, in any order, one after the other is erased; the others read as they were."""
    chance = random.Random(seed)
    texts = [said(noise(n, chance.choice((8, 60, 200)))) for n in range(12)]
    calls = []
    for n in range(60):
        history = [chance.choice(texts) for _ in range(chance.randrange(1, 6))]
        calls.append(call(NOW + n, input=history, output=[chance.choice(texts)], user=f"u{chance.randrange(5)}"))
    for at in range(0, 60, 7):
        store.add(calls[at : at + 7])
    for user in ("u0", "u3", "u1"):
        erase(store, Subject("user", user))
        calls = [each for each in calls if each.user != user]
        assert list(store.interactions(newest_first=False)) == calls
        assert unused(store) == []
    with store._reading() as connection:
        chains = Chains(connection)
        for (content,) in connection.execute("SELECT content FROM interaction"):
            assert all(chains.raw(message) for message in references(content)[0])


def test_most_messages_stay_deflated_against_others(store: Store, call: Any) -> None:
    """A first word that many say is no reason to store anew what followed it: only the answer of the erased call is."""
    hello = said("hello there, how are you?")
    calls = [call(NOW + n, input=[hello, said(noise(n))], user=f"u{n}") for n in range(30)]
    store.add(calls)
    ((_, before),) = chained(store)
    erase(store, Subject("user", "u0"))
    ((count, after),) = chained(store)
    assert (count, before - after) == (1 + 29 + 1, 1 + 1)
