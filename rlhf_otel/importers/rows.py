"""The rows of a file, one at a time and with the line that each begins on: JSON, JSON lines, CSV, Parquet, Arrow."""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple

PIECE = 1 << 20
"""How much of a JSON array is read at a time."""
WIDEST_CELL = 2**31 - 1
_ENDINGS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".arrow")
_PACKED = (".gz", ".zst")
_LISTS = ("data", "items", "records", "observations", "scores", "traces", "runs", "feedback", "annotations", "chats")
"""Where the answers of APIs, and files that are one object, have their rows."""
_JSON = json.JSONDecoder()
_BETWEEN = re.compile(r"[\s,]*")


class FileError(Exception):
    """A file that cannot be read at all, or not to its end; the message says why."""


class Row(NamedTuple):
    """One row: the number of the line that it begins on, or of the row where a file has no lines."""

    line: int
    value: Mapping[str, Any]


class BadRow(NamedTuple):
    """What stands where a row should be, and why it is none."""

    line: int
    why: str


def is_export(path: Path) -> bool:
    """Whether the name of a file is one that exports have."""
    return _ending(path) in _ENDINGS


def rows_of(path: Path, moved: Callable[[int], None] = lambda _: None) -> Iterator[Row | BadRow]:
    """The rows of the file at `path`. `moved` is told how many bytes of it have been read.

    Raises:
        FileError: it cannot be read.
    """
    ending = _ending(path)
    try:
        if ending in (".parquet", ".arrow"):
            yield from _columns(path, ending)
            return
        with path.open("rb") as raw, _unpacked(raw, path) as file:
            delimiter = {".csv": ",", ".tsv": "\t"}.get(ending)
            for row in _json(file, ending) if delimiter is None else _table(file, delimiter):
                moved(raw.tell())
                yield row
    except (OSError, EOFError) as error:
        raise FileError(f"{path}: {error}") from error


def _ending(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix not in _PACKED), "")


def _unpacked(raw: IO[bytes], path: Path) -> Any:
    """The bytes as they were before they were compressed; what they begin with tells, whatever the name says."""
    start = raw.read(4)
    raw.seek(0)
    if start[:2] == b"\x1f\x8b":
        return gzip.open(raw)
    if start == b"\x28\xb5\x2f\xfd":
        return io.BufferedReader(_needed("zstandard", "server", path).ZstdDecompressor().stream_reader(raw))
    return contextlib.nullcontext(raw)


def _needed(module: str, extra: str, path: Path) -> Any:
    try:
        return import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise FileError(f"{path}: needs {package}: pip install 'rlhf-otel[{extra}]'") from None


def _columns(path: Path, ending: str) -> Iterator[Row | BadRow]:
    if ending == ".parquet":
        batches = _needed("pyarrow.parquet", "parquet", path).ParquetFile(path).iter_batches(batch_size=1000)
    else:
        arrow = _needed("pyarrow", "parquet", path)
        batches = arrow.ipc.open_stream(arrow.OSFile(str(path)))
    number = 0
    for batch in batches:
        for value in batch.to_pylist():
            number += 1
            yield Row(number, value)


def _table(file: IO[bytes], delimiter: str) -> Iterator[Row | BadRow]:
    """An empty cell says nothing, so the row does not have it."""
    csv.field_size_limit(WIDEST_CELL)
    table = csv.reader(io.TextIOWrapper(file, "utf-8-sig", newline=""), delimiter=delimiter)
    names, line = None, 1
    while True:
        try:
            cells = next(table)
        except StopIteration:
            return
        except (csv.Error, UnicodeDecodeError) as error:
            yield BadRow(line, str(error))
            if isinstance(error, UnicodeDecodeError):
                return
            continue
        if names is None:
            names = cells
        elif len(cells) > len(names):
            yield BadRow(line, f"{len(cells)} cells under {len(names)} names")
        elif cells:
            yield Row(line, {name: cell for name, cell in zip(names, cells, strict=False) if cell})
        line = table.line_num + 1


def _json(file: IO[bytes], ending: str) -> Iterator[Row | BadRow]:
    """One value a line, one array, or one value over many lines: what the first line is tells."""
    first, skipped = b"", 0
    for first in file:
        if first.strip(b"\xef\xbb\xbf \t\r\n"):
            break
        skipped += 1
    start = first.removeprefix(b"\xef\xbb\xbf")
    if start.lstrip()[:1] == b"[" and ending not in (".jsonl", ".ndjson"):
        yield from _array(chain([start], iter(lambda: file.read(PIECE), b"")), 1 + skipped)
    elif ending in (".jsonl", ".ndjson") or _is_whole(start):
        yield from _lines(chain([start], file), 1 + skipped)
    else:
        yield from _one(start + file.read(), 1 + skipped)


def _is_whole(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _lines(lines: Iterable[bytes], first: int) -> Iterator[Row | BadRow]:
    for number, line in enumerate(lines, first):
        if line.strip():
            yield from _one(line, number)


def _one(text: bytes, line: int) -> Iterator[Row | BadRow]:
    """The rows of a text that is one value."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        yield BadRow(line, f"no JSON: {error}")
        return
    yield from _rows_in(value, line)


def _rows_in(value: Any, line: int) -> Iterator[Row | BadRow]:
    if isinstance(value, list):
        for item in value:
            yield from _rows_in(item, line)
    elif not isinstance(value, dict):
        yield BadRow(line, f"{type(value).__name__} where an object is expected")
    elif (inner := _list_in(value)) is not None:
        yield from _rows_in(inner, line)
    else:
        yield Row(line, value)


def _list_in(value: Mapping[str, Any]) -> Any:
    """The rows of an object that is no row itself: a page of an API, or a data frame by its columns."""
    if "id" in value or "span_id" in value:
        return None
    for name in _LISTS:
        if isinstance(value.get(name), list) and all(isinstance(item, dict) for item in value[name]):
            return value[name]
    if len(value) > 1 and all(isinstance(column, dict) for column in value.values()):
        columns: Any = list(value.values())
        if all(column.keys() == columns[0].keys() for column in columns):
            return [{"index": key, **{name: value[name][key] for name in value}} for key in columns[0]]
    return None


def _array(pieces: Iterable[bytes], line: int) -> Iterator[Row | BadRow]:
    """The items of one array, which may be larger than the memory."""
    rest = _decoded(pieces)
    text = next(rest, "")
    at = text.index("[") + 1
    while True:
        at, line = _after_gap(text, at, line)
        try:
            if at >= len(text):
                raise ValueError
            if text[at] == "]":
                return
            value, end = _JSON.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            more = "".join(piece for _, piece in zip(range(1 + len(text) // PIECE), rest, strict=False))
            if not more:
                yield BadRow(line, f"no JSON, and nothing after it can be read: {error}")
                return
            text, at = text[at:] + more, 0
            continue
        yield from _rows_in(value, line)
        line += text.count("\n", at, end)
        at = end
        if at > PIECE:
            text, at = text[at:], 0


def _after_gap(text: str, at: int, line: int) -> tuple[int, int]:
    found = _BETWEEN.match(text, at)
    end = found.end() if found else at
    return end, line + text.count("\n", at, end)


def _decoded(pieces: Iterable[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for piece in pieces:
        yield decoder.decode(piece)
