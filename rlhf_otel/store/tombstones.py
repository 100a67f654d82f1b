"""What was erased for good: whatever names it is refused, whichever way it comes back.

A tombstone holds no id, only keyed hashes of ids: that of the person, conversation, trace or call, and those of all
that was removed for it, because feedback on an erased call need not say whose it was.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar

from rlhf_otel.otel_records import LogRecord, MetricPoint, SpanRecord
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.semconv import CONVERSATION_ID, ENDUSER_ID, ENDUSER_PSEUDO_ID, SESSION_ID
from rlhf_otel.store.rows import feedback_spans
from rlhf_otel.store.sql import query

if TYPE_CHECKING:
    import sqlite3

    from rlhf_otel.store.adding import Decoded

SubjectKind = Literal["user", "session", "trace", "span"]
SUBJECT_KINDS: Final[tuple[str, ...]] = SubjectKind.__args__  # type: ignore[attr-defined]
RETURNING: Final = ("user", "session")
"""A person and a conversation may go on after an erasure."""
_ATTRIBUTES: Final[Mapping[str, str]] = {
    ENDUSER_ID: "user", ENDUSER_PSEUDO_ID: "user", "user.id": "user", "langfuse.user.id": "user",
    "traceloop.association.properties.user_id": "user", SESSION_ID: "session", CONVERSATION_ID: "session",
    "langfuse.session.id": "session", "traceloop.association.properties.session_id": "session",
}  # fmt: skip
"""By which attributes spans and log records that are no calls say whose they are."""
Record = Interaction | Feedback | SpanRecord | LogRecord | MetricPoint
_Any = TypeVar("_Any", bound=Record)


class Subject(NamedTuple):
    """What is to be erased, or looked for: one person, conversation, trace or call."""

    kind: SubjectKind
    id: str


class Tombstone(NamedTuple):
    """One as it is listed; `ids` is how many ids are refused for it, `refused` how often that has happened."""

    number: int
    kind: str
    hash: str
    feedback_only: bool
    laid_ns: int
    refused: int
    ids: int


def names(record: Record) -> Iterator[tuple[str, str]]:
    """Kind and id of all that `record` says of whose it is and what it is about."""
    if isinstance(record, MetricPoint):
        yield from _named_by(record.attributes)
        return
    if record.trace_id:
        yield "trace", record.trace_id
    if isinstance(record, Feedback):
        yield from _of_feedback(record)
        return
    if record.span_id:
        yield "span", record.span_id
    if isinstance(record, Interaction):
        told = ("user", record.user), ("user", record.anonymous_user), ("session", record.session)
        yield from ((kind, value) for kind, value in told if value)
    else:
        yield from _named_by(record.attributes)


def _of_feedback(feedback: Feedback) -> Iterator[tuple[str, str]]:
    told = (("user", feedback.rater), ("session", feedback.session), ("response", feedback.response_id),
            ("message", feedback.message_id), ("feedback", feedback.id), ("feedback", feedback.retracts))  # fmt: skip
    yield from ((kind, value) for kind, value in told if value)
    yield from (("span", span) for span in feedback_spans(feedback))


def _named_by(attributes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, kind in _ATTRIBUTES.items():
        if isinstance(value := attributes.get(name), str) and value:
            yield kind, value


def began(record: Record) -> int:
    """When it was, in nanoseconds: what began before a tombstone was laid is refused."""
    return record.start_ns if isinstance(record, Interaction | SpanRecord) else record.time_ns


def hashed(key: bytes, kind: str, name: str) -> bytes:
    """What stands for an id where nobody is to read it."""
    return blake2b(f"{kind}\0{name}".encode("utf-8", "surrogatepass"), digest_size=16, key=key).digest()


class Tombstones:
    """Those of a store, within one transaction; true where there are any.

    Args:
        connection: within a transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._any = connection.execute(query("tombstone_any")).fetchone() is not None
        self._found: dict[tuple[str, str], list[Any]] = {}
        self._refused: Counter[int] = Counter()
        self._its_key: bytes | None = None

    def __bool__(self) -> bool:
        return self._any

    def hash(self, kind: str, name: str) -> bytes:
        """What stands for an id in this store."""
        if self._its_key is None:
            (self._its_key,) = self._connection.execute(query("tombstone_key")).fetchone()
        return hashed(self._its_key, kind, name)

    def lay(self, subject: Subject, *, feedback_only: bool = False) -> int:
        """Refuses `subject` from now on; the number of the tombstone. A second time moves the first one's date."""
        told = {"hash": self.hash(*subject), "feedback_only": feedback_only}
        now = {"laid_ns": time.time_ns()}
        found = self._connection.execute(query("tombstone_find"), told).fetchone()
        if found is None:
            self._connection.execute(query("tombstone_add"), {**told, **now, "kind": subject.kind})
            found = self._connection.execute(query("tombstone_find"), told).fetchone()
        else:
            self._connection.execute(query("tombstone_renew"), {**now, "id": found["id"]})
        self.cover(found["id"], [subject], may_return=feedback_only or subject.kind in RETURNING)
        return int(found["id"])

    def cover(self, number: int, ids: Iterable[tuple[str, str]], *, may_return: bool = False) -> None:
        """Has a tombstone stand for `ids`, each a kind and an id, as well."""
        rows = [(self.hash(*each), number, may_return) for each in ids]
        self._connection.executemany(query("erased_add"), rows)

    def covers(self, kind: str, name: str, number: int | None = None) -> bool:
        """Whether an id belongs to what was erased, by the tombstone `number` or by any."""
        return any(number in (None, stone["id"]) for stone in self._stones(kind, name))

    def listed(self) -> list[Tombstone]:
        """All, the oldest first."""
        rows = self._connection.execute(query("tombstone_list"))
        return [Tombstone(row["id"], row["kind"], row["hash"].hex(), bool(row["feedback_only"]), row["laid_ns"],
                          row["refused"], row["ids"]) for row in rows]  # fmt: skip

    def lift(self, number: int) -> bool:
        """Refuses nothing any more for the tombstone `number`; whether there was one."""
        self._connection.execute(query("erased_drop"), (number,))
        return bool(self._connection.execute(query("tombstone_drop"), (number,)).rowcount)

    def allowed(self, decoded: Decoded) -> Decoded:
        """What of `decoded` may be added."""
        return dataclasses.replace(
            decoded,
            interactions=self._kept(decoded.interactions),
            spans=self._kept(decoded.spans),
            feedback=self._kept(decoded.feedback),
            logs=self._kept(decoded.logs),
            points=[self.without_erased(point) for point in self._kept(decoded.points)],
        )

    def without_erased(self, point: MetricPoint) -> MetricPoint:
        """`point` without the single measurements of calls that were erased."""
        kept = tuple(each for each in point.exemplars if not self._is_of_erased(each))
        return point if len(kept) == len(point.exemplars) else dataclasses.replace(point, exemplars=kept)

    def note(self) -> None:
        """Writes down how much was refused."""
        self._connection.executemany(
            query("tombstone_count"), [(count, number) for number, count in self._refused.items()]
        )

    def _kept(self, records: list[_Any]) -> list[_Any]:
        return [each for each in records if not self._refuses(each)]

    def _refuses(self, record: Record) -> bool:
        """Whether a tombstone is for `record`, which is then counted."""
        for kind, name in names(record):
            for stone in self._stones(kind, name):
                if stone["feedback_only"] and not isinstance(record, Feedback):
                    continue
                if not stone["may_return"] or began(record) < stone["laid_ns"]:
                    self._refused[stone["id"]] += 1
                    return True
        return False

    def _is_of_erased(self, exemplar: Mapping[str, Any]) -> bool:
        told = (("span", exemplar.get("span_id")), ("trace", exemplar.get("trace_id")))
        stones = (stone for kind, name in told if name for stone in self._stones(kind, name))
        return any(not stone["feedback_only"] for stone in stones)

    def _stones(self, kind: str, name: str) -> list[Any]:
        """The tombstones for an id, looked up once."""
        if not self._any:
            return []
        found = self._found.get((kind, name))
        if found is None:
            rows = self._connection.execute(query("tombstone_of_hash"), (self.hash(kind, name),))
            found = self._found[kind, name] = rows.fetchall()
        return found
