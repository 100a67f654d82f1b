"""What is stored in a hurry is read as it was, and is small in the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rlhf_otel.store import Store

PROSE = "The quick brown fox jumps over the lazy dog while the rain in Spain stays mainly in the plain. "


def chat(call: Any, turns: int) -> list[Any]:
    """The calls of a chat, each with all that was said before."""
    said: list[Any] = []
    calls = []
    for n in range(turns):
        said = [*said, {"role": "user", "parts": [{"type": "text", "content": f"{n} {PROSE * 4}"}]}]
        answer = {"role": "assistant", "parts": [{"type": "text", "content": f"{PROSE * 6} {n}"}]}
        calls.append(call(n, input=said, output=[answer], attributes={"gen_ai.request.temperature": 0.5, "n": n}))
        said = [*said, answer]
    return calls


def bodies(store: Store, table: str = "message") -> dict[int, bytes]:
    """How the messages of a table lie in the file."""
    with store._reading() as connection:
        return {row["id"]: row["body"] for row in connection.execute(f"SELECT id, body FROM {table}")}


def test_what_is_added_in_a_hurry_is_there_at_once_and_small_later(path: Path, call: Any) -> None:
    """The same interactions before and after, in the same bodies as if there had been time."""
    calls = chat(call, 20)
    with Store.open(path, later=True) as hasty, Store.open(":memory:") as calm:
        hasty.add(calls)
        calm.add(calls)
        assert list(hasty.interactions(newest_first=False)) == calls
        assert (len(bodies(hasty)), len(bodies(hasty, "fresh_message"))) == (0, 40)
        assert hasty.counts() == calm.counts()
        seen = [hasty.settle(7)]
        while seen[-1]:
            seen.append(hasty.settle(7))
        assert sum(seen) == 40
        assert bodies(hasty) == bodies(calm)
        assert list(hasty.interactions(newest_first=False)) == calls
        hasty.add(chat(call, 21))
        assert hasty.settle() == 2
        assert hasty.interaction(call(20).span_id) == chat(call, 21)[-1]


def test_any_process_settles_what_another_left(path: Path, call: Any) -> None:
    """Also where it would not have been in a hurry itself."""
    calls = chat(call, 5)
    with Store.open(path, later=True) as store:
        store.add(calls)
    with Store.open(path) as store:
        while store.settle():
            pass
        assert bodies(store, "fresh_message") == {}
        assert list(store.interactions(newest_first=False)) == calls


def test_what_is_settled_is_added_to_by_others_meanwhile(path: Path, call: Any, monkeypatch: Any) -> None:
    """Between reading and writing anything may happen: nothing of it is lost."""
    from rlhf_otel.store import settling

    calls = chat(call, 6)
    with Store.open(path, later=True) as store, Store.open(path, later=True) as other:
        deflated = settling.deflated

        def deflated_while_others_add(*given: Any) -> Any:
            made = deflated(*given)
            other.add(calls[3:])
            return made

        monkeypatch.setattr(settling, "deflated", deflated_while_others_add)
        store.add(calls[:3])
        while store.settle(2):
            pass
        assert list(store.interactions(newest_first=False)) == calls
