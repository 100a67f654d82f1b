"""A person is erased: no byte of what they said or were called is left in any file, and nothing brings it back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from rlhf_otel.store import Store
from rlhf_otel.testing import FakeLLM, Reply
from tests.server.process import Serve

CANARIES = ("annCanary7f3aPerson", "annCanary7f3aSession", "annCanary7f3aPrompt", "annCanary7f3aAnswer",
            "annCanary7f3aComment", "annCanary7f3aCorrection", "annCanary7f3aContext", "annCanary7f3aMessage",
            "annCanary7f3aTool")  # fmt: skip
APP = """
import sys
import openai
import rlhf_otel as rlhf
from rlhf_otel import feedback

def ask(who):
    tool = {"type": "function", "function": {"name": f"{who}Tool", "parameters": {"type": "object"}}}
    context = {"session": f"{who}Session", "user": f"{who}Person", "message": f"{who}Message", "consent": "train"}
    with rlhf.context(**context, note=f"{who}Context"):
        answer = openai.OpenAI().chat.completions.create(
            model="m", messages=[{"role": "user", "content": f"{who}Prompt, please"}], tools=[tool])
    feedback.record(answer, True, comment=f"{who}Comment", rater="carl")
    feedback.correct(answer, f"{who}Correction", rater=f"{who}Person")

for who in sys.argv[1:]:
    ask(who)
print(rlhf.flush(5))
"""
FORMATS = ("jsonl", "csv", *(("parquet", "hf") if find_spec("pyarrow") else ()), "sft", "kto")


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder, and none of the machine's settings."""
    for name in [name for name in os.environ if name.startswith(("OTEL_", "RLHF_OTEL_", "OPENAI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLLM]:
    """A provider that says again what it was asked."""
    with FakeLLM() as llm:
        monkeypatch.setenv("OPENAI_BASE_URL", llm.openai_url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        yield llm


def app(model: FakeLLM, *people: str, **variables: str) -> str:
    """Runs the application under the launcher; what it printed."""
    for who in people:
        model.script(Reply(text=f"{who}Answer, and seven minutes"))
    ended = subprocess.run(
        [sys.executable, "-m", "rlhf_otel.launcher.command", sys.executable, "app.py", *people], check=False, text=True,
        capture_output=True, env={**os.environ, **variables},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def command(*words: str, code: int = 0) -> str:
    """Runs `rlhf-otel`; what it printed."""
    ended = subprocess.run(
        [sys.executable, "-m", "rlhf_otel.cli.main", *words], capture_output=True, text=True, check=False
    )
    assert ended.returncode == code, ended.stderr
    return ended.stdout


def standing(folder: Path) -> dict[str, set[str]]:
    """The canaries, each with the files in whose bytes it stands."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "app.py"]
    found = {canary: {str(path.relative_to(folder)) for path in files if canary.encode() in path.read_bytes()}
             for canary in CANARIES}  # fmt: skip
    return {canary: places for canary, places in found.items() if places}


def test_no_byte_of_a_person_is_left(model: FakeLLM, folder: Path) -> None:
    """In the store, its log, the spool and every format of dataset; while a server and an application are at work."""
    store = str(folder / ".rlhf-otel/store.db")
    assert app(model, "annCanary7f3a", "bob") == "True\n"
    nowhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "RLHF_OTEL_EXIT_TIMEOUT": "0.5"}
    assert app(model, "annCanary7f3a", "bob", **nowhere) == "False\n"
    for format_ in FORMATS:
        command("export", "--format", format_, "--out", f"made/{format_}")
    with Serve(Path(store)) as serve:
        assert app(model, "annCanary7f3a", "bob", OTEL_EXPORTER_OTLP_ENDPOINT=serve.url) == "True\n"
        before = standing(folder)
        assert before.keys() == set(CANARIES)
        places = " ".join(name for places in before.values() for name in places)
        wheres = (".rlhf-otel/spool", ".rlhf-otel/store.db", *(f"made/{each}/" for each in FORMATS))
        assert [where for where in wheres if where not in places] == []
        told = json.loads(command("purge", "--user", CANARIES[0], "--exports", "rewrite", "--yes", "--json"))
        assert standing(folder) == {}
        assert (told["removed"]["calls"], told["removed"]["feedback"]) == (2, 4)
        assert (told["spool"]["items"] >= 3, told["spool"]["left"], told["still_in"]) == (True, 0, [])
        assert {each["path"] for each in told["datasets"]} == {f"made/{each}" for each in FORMATS}
        assert serve.stop()[0] == 0
    assert standing(folder) == {}
    with Store.open(store, read_only=True) as opened:
        left = list(opened.interactions())
        assert [each.user for each in left] == ["bobPerson", "bobPerson"]
        assert [len(opened.history(each)) for each in left] == [2, 2]
    for format_ in FORMATS:
        assert json.loads(Path("made", format_, "manifest.json").read_text())["rows"]["train"] == 1
    command("datasets", "audit", "made/sft", "--no-near-duplicates")


def test_what_is_sent_again_does_not_come_back(model: FakeLLM, folder: Path) -> None:
    """What a process has left in the spool of another folder, replayed after the erasure, is refused."""
    nowhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "RLHF_OTEL_EXIT_TIMEOUT": "0.5"}
    app(model, "annCanary7f3a", "bob", RLHF_OTEL_SPOOL=str(folder / "elsewhere"), **nowhere)
    app(model, "annCanary7f3a")
    command("purge", "--user", CANARIES[0], "--yes")
    command("spool", "replay", "--spool", str(folder / "elsewhere"), "--store", ".rlhf-otel/store.db")
    assert [each["user"] for each in json.loads(command("traces", "--json"))] == ["bobPerson"]
    assert standing(folder) == {}


def test_an_application_that_writes_meanwhile_is_not_refused(folder: Path) -> None:
    """It waits shortly, and never fails."""
    from tests.store.test_erasing import NOW, said

    def call(number: int, user: str):
        from rlhf_otel.records import Interaction

        ids = {"trace_id": f"{number + 1:032x}", "span_id": f"{number + 1:016x}"}
        start = NOW * 10**9 + number
        return Interaction(**ids, start_ns=start, end_ns=start, user=user, input=[said(f"{number} by {user}")])

    with Store.open("calls.db") as store:
        for first in range(0, 4000, 200):
            store.add([call(n, "ann-4711" if n % 2 else "bob") for n in range(first, first + 200)])
    written: list[int] = []
    stop = threading.Event()

    def write() -> None:
        with Store.open("calls.db") as store:
            while not stop.is_set():
                store.add([call(10**6 + len(written), "carl")])
                written.append(1)
                time.sleep(0.002)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        told = json.loads(command("purge", "--user", "ann-4711", "--yes", "--json", "--store", "calls.db"))
    finally:
        stop.set()
        writer.join()
    assert told["removed"]["calls"] == 2000
    with Store.open("calls.db", read_only=True) as store:
        assert store.counts()["interactions"] == 2000 + len(written)
        assert len(written) > 10


KILLED = """
import os, random, signal, time
from rlhf_otel.store import Store, erasing
from rlhf_otel.store.tombstones import Subject
from rlhf_otel.records import Interaction

def call(number):
    user = ("ann-4711", "bob")[number % 2]
    said = [{"role": "user", "parts": [{"type": "text", "content": text}]}
            for text in ("the same of both", f"{number // 2} {'x' * 40}", f"{number} by {user}")]
    start = 1_700_000_000 * 10**9 + number
    return Interaction(trace_id=f"{number + 1:032x}", span_id=f"{number + 1:016x}", start_ns=start, end_ns=start,
                       user=user, input=said)

calls = [call(number) for number in range(3000)]
with Store.open("calls.db") as store:
    for first in range(0, 3000, 100):
        store.add(calls[first : first + 100])
anns, bobs = calls[::2], calls[1::2]
draws, kills, took = random.Random(int(os.environ["SEED"])), 0, 1.0
while True:
    child = os.fork()
    if child == 0:
        with Store.open("calls.db") as store:
            erasing.Erasing(store, Subject("user", "ann-4711")).run()
        os._exit(0)
    time.sleep(draws.uniform(0.0, took))
    os.kill(child, signal.SIGKILL)
    if os.waitpid(child, 0)[1] == 0:
        break
    kills += 1
    with Store.open("calls.db") as store:
        before = store.counts()["interactions"]
        if erasing.tombstones(store):
            store.add(anns[:200])
        assert store.counts()["interactions"] == before
        assert [each for each in store.interactions(newest_first=False) if each.user == "bob"] == bobs
    took *= 1.3
with Store.open("calls.db") as store:
    assert list(store.interactions(newest_first=False)) == bobs
    assert erasing.clean(store)
print(kills)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs fork and SIGKILL")
@pytest.mark.parametrize("seed", ["1", "2"])
def test_an_erasure_that_is_killed_can_be_repeated(folder: Path, seed: str) -> None:
    """At any moment: the tombstone is in force, others read as they were, and once more does the rest."""
    from tests.store.test_retention import unused

    ended = subprocess.run(
        [sys.executable, "-c", KILLED], capture_output=True, text=True, check=False, env={**os.environ, "SEED": seed}
    )
    assert ended.returncode == 0, ended.stderr
    with Store.open("calls.db") as store:
        assert unused(store) == []
    assert b"ann-4711" not in b"".join(path.read_bytes() for path in folder.iterdir() if path.name.startswith("calls"))


def test_a_process_that_lives_is_asked(model: FakeLLM, folder: Path) -> None:
    """Its spool and its memory are its own to erase, which it does before it next sends; none of it is sent."""
    from rlhf_otel.testing import FakeCollector

    waiting = APP + "\nprint('ready', flush=True)\ninput()\nprint(rlhf.flush(60))\n"
    (folder / "app.py").write_text(waiting)
    for who in ("annCanary7f3a", "bob"):
        model.script(Reply(text=f"{who}Answer, and seven minutes"))
    with FakeCollector() as collector:
        collector.fail(400)
        process = subprocess.Popen(
            [sys.executable, "-m", "rlhf_otel.launcher.command", sys.executable, "app.py", "annCanary7f3a", "bob"],
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url},
        )  # fmt: skip
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["False\n", "ready\n"]
        told = json.loads(command("purge", "--user", CANARIES[0], "--yes", "--json"))
        assert (told["spool"]["items"], told["spool"]["left"] >= 3) == (0, True)
        collector.recover()
        assert process.communicate("\n")[0] == "True\n"
        assert [span.attributes["enduser.id"] for span in collector.spans if span.name == "chat m"] == ["bobPerson"]
        assert len(collector.logs) == 2
    deadline = time.monotonic() + 10
    while standing(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert standing(folder) == {}
