"""How many bytes the store needs for an interaction, on chats of eight turns where every call repeats the history.

    python benchmarks/store_size.py [--chats N] [--texts FILE]

The texts are the documentation of Python's standard library (prose with some code), or the lines of `--texts`: JSON
objects or plain lines. Prints one row for each way of storing the same calls.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import json
import os
import random
import tempfile
import time
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from rlhf_otel.records import Interaction, Message
from rlhf_otel.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

TURNS = 8
PROMPT_CHARACTERS, ANSWER_CHARACTERS = 400, 1_360
SKIPPED = {"site-packages", "test", "tests", "idlelib", "lib2to3", "turtledemo", "pydoc_data", "encodings"}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def library_prose() -> list[str]:
    """Paragraphs of the docstrings of the standard library, each once."""
    root = Path(os.__file__).parent
    files = [file for file in sorted(root.rglob("*.py")) if not SKIPPED.intersection(file.relative_to(root).parts)]
    seen: dict[str, None] = {}
    for file in files:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old escapes in old modules
            tree = ast.parse(file.read_text(encoding="utf-8", errors="replace"))
        documented = (node for node in ast.walk(tree) if isinstance(node, DOCUMENTED))
        texts = (ast.get_docstring(node) or "" for node in documented)
        seen.update((part, None) for text in texts for part in text.split("\n\n") if len(part) > 80)
    return list(seen)


def file_texts(path: Path) -> list[str]:
    """The strings of more than 80 characters in a file of JSON lines, or its lines."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    found = [text for line in raw.decode().splitlines() for text in _strings(_parsed(line)) if len(text) > 80]
    return list(dict.fromkeys(found))


def _parsed(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return line.strip()


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def chats(texts: list[str], count: int) -> Iterator[Interaction]:
    """Every call of `count` chats. A chat stays on its topic: it takes texts that follow each other, from anywhere."""
    random.seed(7)
    supply: Iterator[str] = iter(())

    def text(length: int) -> str:
        said = next(supply)
        while len(said) < length:
            said += "\n\n" + next(supply)
        return said[:length]

    for number in range(count):
        history: list[Message] = []
        start = random.randrange(len(texts))
        supply = iter(texts[start:] + texts[:start])
        session, trace = f"conv-{random.getrandbits(48):012x}", f"{random.getrandbits(128):032x}"
        for turn in range(TURNS):
            history.append(_message("user", text(int(PROMPT_CHARACTERS * random.uniform(0.4, 1.6)))))
            answer = _message("assistant", text(int(ANSWER_CHARACTERS * random.uniform(0.4, 1.6))))
            yield _call(list(history), {**answer, "finish_reason": "stop"}, session, trace, number * TURNS + turn)
            history.append(answer)


def _message(role: str, text: str) -> Message:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def _call(history: list[Message], answer: Message, session: str, trace: str, number: int) -> Interaction:
    start = 1_760_000_000_000_000_000 + number * 31_000_000_000 + random.getrandbits(30)
    return Interaction(
        trace_id=trace, span_id=f"{random.getrandbits(64):016x}", start_ns=start,
        end_ns=start + random.randrange(10**9, 10**10), name="chat gpt-4o-mini", operation="chat", provider="openai",
        request_model="gpt-4o-mini", response_model="gpt-4o-mini-2024-07-18",
        response_id="chatcmpl-" + "".join(random.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789", k=29)),
        stream=True, stream_end="completed", stream_chunks=random.randrange(100, 400),
        stream_max_gap_s=random.random(), time_to_first_chunk_s=random.random(), time_to_first_token_s=random.random(),
        input_tokens=random.randrange(50, 4000), output_tokens=random.randrange(50, 600), finish_reasons=("stop",),
        status="unset", input=history, output=[answer],
        system=[{"type": "text", "content": "You are the help desk of a shop. Be brief and kind."}],
        session=session, user=f"user-{random.randrange(1000)}", context={"app_version": "1.2"},
        attributes={"gen_ai.request.temperature": 0.7, "server.address": "api.openai.com", "server.port": 443,
                    "http.response.header.x-request-id": f"req_{random.getrandbits(128):032x}"},
        resource={"service.name": "shop", "telemetry.sdk.language": "python", "telemetry.sdk.version": "1.39.0"},
    )  # fmt: skip


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chats", type=int, default=300)
    parser.add_argument("--texts", type=Path)
    arguments = parser.parse_args()
    texts = file_texts(arguments.texts) if arguments.texts else library_prose()
    calls = list(chats(texts, arguments.chats))
    raw = [json.dumps([call.input, call.output], ensure_ascii=False).encode() for call in calls]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        began = time.process_time()
        with Store.open(path) as store:
            for at in range(0, len(calls), 100):
                store.add(calls[at : at + 100])
        seconds = time.process_time() - began
        with Store.open(path, read_only=True) as store:
            exact = all(store.interaction(call.span_id) == call for call in calls)
        size = path.stat().st_size
    rows = (
        ("messages as plain JSON, nothing else", sum(map(len, raw))),
        ("the same, each call deflated", sum(len(zlib.compress(each)) for each in raw)),
        ("the store: every field, every index", size),
    )
    print(f"{len(calls)} calls in {arguments.chats} chats of {TURNS} turns; round trip exact: {exact}")
    for what, total in rows:
        print(f"{what:40} {total / len(calls):8.0f} bytes a call")
    print(f"{'stored, in batches of 100':40} {len(calls) / seconds:8.0f} calls a CPU second")


if __name__ == "__main__":
    main()
