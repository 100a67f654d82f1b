"""Where answers wait for others to the same prompt: a temporary SQLite file, so that memory stays flat.

Calls come in the order of their start and nothing is known of those to come, so what may matter is written down and
read again by prompt. The file is nobody's but ours and goes with the process.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from rlhf_otel.datasets.answers import Answer, Prompt, pack_feedback, unpack_feedback
from rlhf_otel.datasets.votes import Vote
from rlhf_otel.datasets.writing import WriteError
from rlhf_otel.records import Feedback

_TABLES: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -32000;
PRAGMA temp_store = FILE;
CREATE TABLE prompt (digest BLOB PRIMARY KEY, messages TEXT, tools TEXT) WITHOUT ROWID;
CREATE TABLE answer (
    id INTEGER PRIMARY KEY, span_id TEXT, trace_id TEXT, choice INTEGER, start_ns INTEGER, conversation BLOB,
    prompt BLOB, message TEXT, about TEXT, steps TEXT, opinions TEXT, stands_for REAL
);
CREATE INDEX answer_span ON answer (span_id);
CREATE INDEX answer_prompt ON answer (conversation, prompt);
CREATE TABLE refused (span_id TEXT PRIMARY KEY, reason TEXT) WITHOUT ROWID;
CREATE TABLE comparison (id TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID;
CREATE TABLE counted (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE regenerated (conversation BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE continued (digest BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE vote (
    first INTEGER, second INTEGER, better INTEGER, rule TEXT, rater TEXT, margin REAL, feedback TEXT, weight REAL,
    shown_first INTEGER
);
CREATE TABLE draft (
    id INTEGER PRIMARY KEY, body TEXT, lineage TEXT, texts TEXT, label TEXT, digest BLOB UNIQUE,
    conversation BLOB, prompt BLOB, start_ns INTEGER, cluster INTEGER, split TEXT, place INTEGER, dropped TEXT
);
CREATE TABLE band (hash INTEGER, draft INTEGER);
"""
_ANSWER: Final = (
    "id, span_id, trace_id, choice, start_ns, conversation, prompt, message, about, steps, opinions, stands_for"
)


Numbered = tuple[int, Answer]
NO_OPINION: Final = pack_feedback(())


class Shelf:
    """The temporary database. Use as a context manager.

    Args:
        folder: where the file lies; the system's folder for temporary files by default.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="rlhf-otel-", dir=folder)
        self.db = sqlite3.connect(Path(self._folder.name) / "shelf.db", isolation_level=None)
        self.db.executescript(_TABLES)
        self.db.execute("BEGIN")

    def __enter__(self) -> Shelf:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.db.close()
        self._folder.cleanup()

    def add_answers(self, prompt: Prompt, answers: Iterable[Answer]) -> None:
        """Puts the answers of one call on the shelf."""
        prompted = (prompt.digest, json.dumps(list(prompt.messages)), json.dumps(list(prompt.tools), default=str))
        self.db.execute("INSERT OR IGNORE INTO prompt VALUES (?, ?, ?)", prompted)
        rows = (
            (None, a.span_id, a.trace_id, a.choice, a.start_ns, a.conversation, a.prompt, json.dumps(a.message),
             json.dumps(a.about, default=str), json.dumps(list(a.steps)), pack_feedback(a.opinions), a.stands_for)
            for a in answers
        )  # fmt: skip
        self.db.executemany("INSERT INTO answer VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def refuse(self, span_id: str, reason: str) -> None:
        """Remembers why no row is made of a call, for those who compared its answer."""
        self.db.execute("INSERT OR REPLACE INTO refused VALUES (?, ?)", (span_id, reason))

    def refusal(self, span_id: str) -> str | None:
        """Why no row is made of a call."""
        row = self.db.execute("SELECT reason FROM refused WHERE span_id = ?", (span_id,)).fetchone()
        return None if row is None else str(row[0])

    def is_first(self, feedback_id: str) -> bool:
        """Whether a comparison, which comes with each of the answers that it is about, comes for the first time."""
        return self.db.execute("INSERT OR IGNORE INTO counted VALUES (?)", (feedback_id,)).rowcount > 0

    def add_comparison(self, feedback: Feedback) -> None:
        """Keeps a comparison."""
        packed = (feedback.id, pack_feedback([feedback]))
        self.db.execute("INSERT OR IGNORE INTO comparison VALUES (?, ?)", packed)

    def comparisons(self) -> Iterator[Feedback]:
        """Every comparison, in the order of their ids."""
        for (body,) in self._walk("SELECT body FROM comparison ORDER BY id"):
            yield from unpack_feedback(body)

    def await_another(self, conversation: bytes) -> None:
        """Somebody asked for another answer in this conversation: what follows there matters."""
        self.db.execute("INSERT OR IGNORE INTO regenerated VALUES (?)", (conversation,))

    def awaits(self, conversation: bytes) -> bool:
        """Whether what follows in this conversation matters."""
        found = self.db.execute("SELECT 1 FROM regenerated WHERE conversation = ?", (conversation,)).fetchone()
        return found is not None

    def went_on_from(self, digest: bytes) -> None:
        """A later call has these messages before it."""
        self.db.execute("INSERT OR IGNORE INTO continued VALUES (?)", (digest,))

    def has_gone_on_from(self, digest: bytes) -> bool:
        """Whether a later call has these messages before it."""
        return self.db.execute("SELECT 1 FROM continued WHERE digest = ?", (digest,)).fetchone() is not None

    def by_span(self, span_id: str) -> list[Numbered]:
        """The answers of a call, with their numbers."""
        rows = self.db.execute(f"SELECT {_ANSWER} FROM answer WHERE span_id = ? ORDER BY choice, id", (span_id,))
        return [_answer(row) for row in rows]

    def answer(self, number: int) -> Answer:
        """One answer."""
        return _answer(self.db.execute(f"SELECT {_ANSWER} FROM answer WHERE id = ?", (number,)).fetchone())[1]

    def with_words(self) -> Iterator[Numbered]:
        """The answers of which something was said in a word, in the order of their calls."""
        yield from map(
            _answer, self._walk(f"SELECT {_ANSWER} FROM answer WHERE opinions LIKE '%categorical%' ORDER BY id")
        )

    def answers(self) -> Iterator[Answer]:
        """Every answer, in the order of their calls."""
        for row in self._walk(f"SELECT {_ANSWER} FROM answer ORDER BY id"):
            yield _answer(row)[1]

    def groups(self) -> Iterator[list[Numbered]]:
        """The answers to one prompt within one conversation, in the order of their calls, where there are several and
        something was said of at least one.
        """
        several = "SELECT conversation, prompt FROM answer GROUP BY conversation, prompt HAVING count(*) > 1"
        ordered = f"{several} AND max(opinions != '{NO_OPINION}') ORDER BY min(id)"
        for key in self._walk(ordered):
            query = f"SELECT {_ANSWER} FROM answer WHERE conversation = ? AND prompt = ? ORDER BY start_ns, id"
            yield [_answer(row) for row in self.db.execute(query, key)]

    def prompt(self, digest: bytes) -> Prompt:
        """A prompt by its name."""
        query = "SELECT messages, tools FROM prompt WHERE digest = ?"
        messages, tools = self.db.execute(query, (digest,)).fetchone()
        return Prompt(json.loads(messages), json.loads(tools), digest)

    def add_votes(self, votes: Iterable[Vote]) -> None:
        """Keeps votes."""
        rows = ((*values[:6], json.dumps(values[6]), *values[7:]) for values in map(astuple, votes))
        self.db.executemany("INSERT INTO vote VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def votes(self) -> Iterator[Vote]:
        """All votes, those on one pair together, the pairs in the order of their calls."""
        for row in self._walk("SELECT * FROM vote ORDER BY first, second, rater, rule, feedback"):
            shown = None if row[8] is None else bool(row[8])
            first, second, better, rule, rater, margin, feedback, weight, _ = row
            yield Vote(first, second, better, rule, rater, margin, tuple(json.loads(feedback)), weight, shown)

    def _walk(self, query: str, given: Any = ()) -> Iterator[Any]:
        """The rows of a query on a cursor of their own, so that others can be asked meanwhile.

        The cursor itself: a generator that nobody reads to its end would close it when the file is closed already.
        """
        return self.db.cursor().execute(query, given)


@contextlib.contextmanager
def opened_shelf() -> Iterator[Shelf]:
    """A shelf for the block.

    Raises:
        WriteError: its file cannot be written, as on a full disk.
    """
    try:
        with Shelf() as shelf:
            yield shelf
    except sqlite3.Error as error:
        where = tempfile.gettempdir()
        raise WriteError(
            f"a temporary file in {where} cannot be written ({error}); TMPDIR names another place"
        ) from error


def _answer(row: Any) -> Numbered:
    number, span_id, trace_id, choice, start_ns, conversation, prompt, message, about, steps, opinions, stands_for = row
    made = Answer(
        span_id=span_id, trace_id=trace_id, choice=choice, start_ns=start_ns, conversation=conversation, prompt=prompt,
        message=json.loads(message), about=json.loads(about), steps=json.loads(steps),
        opinions=unpack_feedback(opinions), stands_for=stands_for,
    )  # fmt: skip
    return number, made
