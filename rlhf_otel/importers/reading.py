"""From files to records: row by row, and what cannot be read is said and passed over."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from rlhf_otel.importers.formats import FORMATS, UnknownFormatError, format_of
from rlhf_otel.importers.making import UNDATED
from rlhf_otel.importers.rows import BadRow, FileError, is_export, rows_of
from rlhf_otel.importers.votes import Vote
from rlhf_otel.otel_records import SpanRecord
from rlhf_otel.records import Feedback, Interaction

Record = Interaction | SpanRecord | Feedback
Build = Callable[[Vote], Feedback]


class Unreadable(NamedTuple):
    """A row that nothing came of."""

    path: Path
    line: int
    why: str


def files_of(paths: Iterable[Path]) -> list[Path]:
    """The files that are meant, of folders all that have the name of an export, in their order.

    Raises:
        FileError: there are none, or one is not there.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(each for each in path.rglob("*") if each.is_file() and is_export(each))
        elif path.exists():
            found.append(path)
        else:
            raise FileError(f"{path}: there is no such file")
    if not found:
        raise FileError("there is nothing to import: no file that ends in .json, .jsonl, .csv or .parquet")
    return found


def records(
    path: Path, build: Build, form: str | None = None, moved: Callable[[int], None] = lambda _: None
) -> Iterator[Record | Unreadable]:
    """The records of the file at `path`, in its order.

    Args:
        path: the file.
        build: makes feedback of votes, which it checks; raises ValueError where they cannot be taken.
        form: of `FORMATS`; where it is None, each row tells.
        moved: is told how many bytes have been read.

    Raises:
        FileError: it cannot be read at all, or not to its end.
    """
    dated = path.stat().st_mtime_ns
    for row in rows_of(path, moved):
        if isinstance(row, BadRow):
            yield Unreadable(path, row.line, row.why)
            continue
        try:
            read = FORMATS[form or format_of(row.value)].read(row.value)
            made = [_built(each, build, dated) if isinstance(each, Vote) else _dated(each, dated) for each in read]
        except (UnknownFormatError, ValueError, TypeError, LookupError, AttributeError) as error:
            told = (
                str(error) if isinstance(error, UnknownFormatError | ValueError) else f"{type(error).__name__}: {error}"
            )
            yield Unreadable(path, row.line, told)
        else:
            yield from made


def _built(vote: Vote, build: Build, file_ns: int) -> Feedback:
    return build(vote._replace(fields={**vote.fields, "time_ns": vote.fields.get("time_ns") or file_ns}))


def _dated(record: Record, file_ns: int) -> Record:
    """`record`; where it has no time, with that of its file."""
    if isinstance(record, Feedback):
        return dataclasses.replace(record, time_ns=file_ns) if record.time_ns == UNDATED else record
    if record.start_ns != UNDATED:
        return record
    return dataclasses.replace(record, start_ns=file_ns, end_ns=max(file_ns, record.end_ns))
