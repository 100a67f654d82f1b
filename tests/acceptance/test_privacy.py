"""What people complain about in other instrumentations, 28 and 29: what must not be told is told nowhere.

Each test plants words in every place that a call and feedback on it have, and looks for them wherever anything is kept,
sent or shown. The same search finds them all where nothing is switched on, so that it is not the search that is blind.
"""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import rlhf_otel as rlhf
from rlhf_otel import feedback, hooks
from rlhf_otel.cli.main import cli
from rlhf_otel.store import Store
from rlhf_otel.testing import FakeCollector, Reply
from tests.redact.keys import Maker
from tests.server.process import Serve

MAKER = Maker(28)
PLACES = ["system", "prompt", "history", "definition", "called", "result", "answer", "streamed", "thought", "argument",
          "error", "context", "attribute", "comment", "correction", "metadata", "label", "log"]  # fmt: skip
SECRETS = {place: f"sk-proj-{MAKER.word(48)}" for place in PLACES}
SECRETS |= {"prompt": "jane.doe@mail.example.org", "answer": MAKER.card("4", 16), "comment": "+49 170 2345678",
            "argument": "tiger in a tea shop", "result": MAKER.iban("DE", 22),
            "path": "nobody may read this", "own": "PRJ-4711-X", "host": "postgres://app:n0t4you@db/x"}  # fmt: skip
RULES = r"""
[rules]
project = 'PRJ-\d+-[A-Z]'

[keys]
animal = ["favourite_animal"]

[paths]
note = ["input[*].parts[*].arguments.note", "context.diary"]
"""
CONTENT = ("system", "prompt", "history", "definition", "called", "result", "answer", "streamed", "thought", "argument",
           "error", "path", "own", "host")  # fmt: skip
"""What was said to a model and by it, or may repeat it."""


def play(client: Any, llm: Any, words: dict[str, str]) -> None:
    """An application that says every one of the words, each in its place."""
    tool = {"type": "function", "function": {"name": "f", "description": words["definition"], "parameters": {}}}
    arguments = {"favourite_animal": words["argument"], "note": words["path"], "more": words["called"]}
    asked = {"id": "c", "type": "function", "function": {"name": "f", "arguments": json.dumps(arguments)}}
    messages = [
        {"role": "system", "content": words["system"]}, {"role": "user", "content": words["history"]},
        {"role": "assistant", "content": None, "tool_calls": [asked]},
        {"role": "tool", "tool_call_id": "c", "content": f"paid from {words['result']} by {words['host']}"},
        {"role": "user", "content": f"write to {words['prompt']} about {words['own']}"},
    ]  # fmt: skip
    create = client.chat.completions.create
    llm.script(Reply(text=f"card {words['answer']}", reasoning=f"I think {words['thought']}",
                     tool_calls=[("f", json.dumps({"token": words["called"]}), "d")]))  # fmt: skip
    with rlhf.context(session="s", note=words["context"], diary=words["path"]):
        answer = create(model="m", messages=messages, tools=[tool])
    half = len(words["streamed"]) // 2
    llm.script(Reply(chunks=[f"it is {words['streamed'][:half]}", words["streamed"][half:]]))
    assert len(list(create(model="m", messages=messages[:1], stream=True))) > 1
    llm.script(Reply(status=400, error=f"no such thing as {words['error']}"))
    with pytest.raises(Exception, match="no such thing"):
        create(model="m", messages=messages[:1])
    rlhf.capture(prompt="p", response="r", attributes={"app.note": words["attribute"]})
    handle = rlhf.handle(answer)
    feedback.record(handle, False, comment=f"call {words['comment']}", metadata={"who": words["metadata"]})
    feedback.record(handle, words["label"], name="kind", kind="categorical")
    feedback.correct(handle, f"better: {words['correction']}")
    hooks.say("a test", "we were told %s", words["log"])
    try:
        raise ValueError(words["log"])
    except ValueError as error:
        hooks.fault("a test", error)


def everything_kept(folder: Path, backend: FakeCollector, capsys: Any) -> dict[str, str]:
    """All that is anywhere, by where it is; called once all of it has been delivered."""
    store = folder / "store.db"
    found = {"otlp": repr([backend.spans, backend.logs, backend.metrics])}
    with Store.open(store, read_only=True) as opened:
        found["store"] = repr(opened.feedback_on(list(opened.interactions()))) + repr(list(opened.interactions()))
    found["traces"] = CliRunner().invoke(cli, ["traces", "--json", "--store", str(store)]).output
    words = ["--out", str(folder / "set"), "--format", "sft", "--unset-consent", "train", "--override", "secrets"]
    said = CliRunner().invoke(cli, ["export", *words, "--store", str(store)]).output
    found["export"] = said + "".join(path.read_text() for path in (folder / "set").glob("*.jsonl"))
    spans = sorted(set(re.findall(r'"span_id": ?"([0-9a-f]{16})"', found["traces"])))
    found["show"] = "".join(CliRunner().invoke(cli, ["show", span, "--store", str(store)]).output for span in spans)
    found["pages"] = pages(store, spans)
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "rules.toml"]
    found["files"] = "".join(path.read_bytes().decode("latin-1") for path in files)
    out, err = capsys.readouterr()
    found["log"] = out + err
    return found


def pages(store: Path, spans: list[str]) -> str:
    """What a browser is shown of the calls."""
    said = []
    with Serve(store, environ={"RLHF_OTEL_SERVER_TOKEN": "t" * 20}) as server:
        for path in ("/", *(f"/calls/{span}" for span in spans), "/api/interactions"):
            asked = urllib.request.Request(server.url + path, headers={"authorization": f"Bearer {'t' * 20}"})
            with urllib.request.urlopen(asked, timeout=30) as answer:
                said.append(answer.read().decode())
    return "".join(said)


@pytest.fixture
def our_log():
    """Our logger as it was before: at DEBUG, pytest would keep a record of every call of the tests that follow."""
    logger = hooks.logger
    handlers, filters, level, propagate = logger.handlers[:], logger.filters[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.filters[:], logger.propagate = handlers, filters, propagate
    logger.setLevel(level)


@pytest.fixture
def told(tmp_path, lenient, clients, llm, capsys, our_log):
    """Plays the application with some settings and gives all that was kept of it, the spool among it."""

    def run(words: dict[str, str], **settings: Any) -> dict[str, str]:
        with FakeCollector() as backend:
            backend.fail(503)
            rlhf.instrument(endpoint=backend.http_url, store=str(tmp_path / "store.db"), durability="sync",
                            log_level="debug", spool=str(tmp_path / "spool"), **settings)  # fmt: skip
            play(clients["openai", "sync"], llm, words)
            segments = [path.read_bytes() for path in (tmp_path / "spool").rglob("*") if path.is_file()]
            backend.recover()
            assert rlhf.flush(20)
            kept = everything_kept(tmp_path, backend, capsys)
        kept["spool"] = b"".join(segments).decode("latin-1")
        rlhf.shutdown()
        return kept

    return run


def left(kept: dict[str, str], words: dict[str, str], places: Any = None) -> set[tuple[str, str]]:
    """Where which of the words still is."""
    looked_for = {place: word for place, word in words.items() if places is None or place in places}
    return {(where, place) for where, text in kept.items() for place, word in looked_for.items() if word in text}


def test_the_search_is_not_blind(told) -> None:
    """Without redaction every word is found: in what is sent, spooled and stored, and what is shown is not empty."""
    kept = told(SECRETS, redact=False)
    everywhere = set(SECRETS) - {"log"}
    for where in ("otlp", "store", "spool"):
        assert {place for found, place in left(kept, SECRETS) if found == where} == everywhere
    for where in ("traces", "show", "pages", "export", "files", "log"):
        assert {place for found, place in left(kept, SECRETS) if found == where}


def test_28_what_rules_keys_and_paths_name_is_nowhere(told, tmp_path) -> None:
    """Also in tool arguments that are JSON in a text, across the chunks of a stream, in errors, votes and our log."""
    (tmp_path / "rules.toml").write_text(RULES, encoding="utf-8")
    kept = told(SECRETS, redact_file=str(tmp_path / "rules.toml"))
    assert left(kept, SECRETS) == set()
    for name in ("openai-key", "email", "card", "phone", "iban", "project", "animal", "note", "url-password"):
        assert f"[REDACTED:{name}]" in kept["otlp"]


@pytest.mark.parametrize(
    ("settings", "gone"),
    [
        ({"capture": "NO_CONTENT"}, CONTENT),
        ({"capture_providers": "-openai"}, CONTENT),
        ({"capture_parts": "none"}, (*CONTENT, "context", "comment", "correction", "metadata")),
    ],
)
def test_29_content_that_is_switched_off_is_nowhere(told, settings, gone) -> None:
    """Neither the switch of OpenTelemetry, nor one provider's, nor the one for every part leaves a word of it."""
    words = {place: f"canary{number}canary" for number, place in enumerate(SECRETS)}
    kept = told(words, redact=False, **settings)
    expected = {place for place in gone if place != "path" or "context" in gone}  # it was in the context, too
    assert left(kept, words, expected) == set()
    assert '"m"' in kept["traces"] or "m" in kept["otlp"]


def test_29_a_session_may_ask_for_nothing_to_be_recorded(told) -> None:
    """Within `rlhf.context(capture=False)` calls and votes are counted, and nothing of what is said is kept."""
    words = {place: f"canary{number}canary" for number, place in enumerate(SECRETS)}
    with rlhf.context(capture=False):
        kept = told(words, redact=False)
    assert left(kept, words, (*CONTENT, "comment", "correction")) - {(where, "path") for where in kept} == set()
    assert kept["otlp"].count("gen_ai.evaluation.result") >= 3
