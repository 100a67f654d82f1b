"""Many threads, many processes, and a notebook: N calls in are N calls out."""

from __future__ import annotations

import os
import sys
import threading

import nbclient
import nbformat
import pytest

import rlhf_otel as rlhf
from rlhf_otel import feedback
from rlhf_otel.store import Store

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def stored() -> list[str]:
    """The models of what is in the default store, sorted."""
    with Store.open(".rlhf-otel/store.db", read_only=True) as store:
        return sorted(i.request_model for i in store.interactions())


FORK = """
import os, sys, rlhf_otel as rlhf
rlhf.instrument()
rlhf.capture(prompt="p", response="r", model="before")
{before_fork}
child = os.fork()
if child == 0:
    for number in range(3):
        rlhf.capture(prompt="p", response="r", model=f"child {{number}}")
    sys.exit(0)
rlhf.capture(prompt="p", response="r", model="parent")
assert os.waitpid(child, 0)[1] == 0
"""
QUIET = {"PYTHONWARNINGS": "ignore::DeprecationWarning"}
"""From 3.12 on Python warns of any fork beside a thread."""
FORKED = ["before", "child 0", "child 1", "child 2", "parent"]


@posix
@pytest.mark.parametrize("before_fork", ["", "assert rlhf.flush(10)"])
def test_a_fork_delivers_its_own_into_the_store(script, before_fork):
    """What was queued before a fork is the parent's to deliver, what the child does is the child's; nothing twice."""
    ended = script(FORK.format(before_fork=before_fork), **QUIET)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert stored() == FORKED


@posix
@pytest.mark.parametrize("before_fork", ["", "assert rlhf.flush(10)"])
def test_a_fork_delivers_its_own_to_a_backend(script, collector, before_fork):
    """The same over OTLP, whether the parent had a connection already or not."""
    ended = script(FORK.format(before_fork=before_fork), **QUIET, **collector.environment())
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert sorted(span.attributes["gen_ai.request.model"] for span in collector.spans) == FORKED


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_of_multiprocessing_deliver(script, method):
    """Children that multiprocessing starts leave nothing behind undelivered, though they end without atexit."""
    if method == "fork" and not hasattr(os, "fork"):
        pytest.skip("needs fork")
    code = f"""
import multiprocessing, rlhf_otel as rlhf
def work(number):
    rlhf.instrument()
    rlhf.capture(prompt="p", response="r", model=f"child {{number}}")
if __name__ == "__main__":
    rlhf.instrument()
    rlhf.capture(prompt="p", response="r", model="parent")
    context = multiprocessing.get_context({method!r})
    children = [context.Process(target=work, args=(number,)) for number in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
"""
    ended = script(code)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert stored() == ["child 0", "child 1", "parent"]


def test_threads_do_not_get_into_each_others_way(ask):
    """Eight threads with forty calls each, each rated: every rating is on its own call."""
    rlhf.instrument()

    def work(number):
        for turn in range(40):
            with rlhf.context(session=f"{number}/{turn}"):
                made = rlhf.capture(prompt=f"{number}/{turn}", response="ok")
            feedback.record(made, True, comment=f"{number}/{turn}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rlhf.flush(20)
    rows = list(rlhf.interactions())
    assert len(rows) == 320
    for interaction, (thumb,) in rows:
        assert interaction.input[0]["parts"][0]["content"] == interaction.session == thumb.comment


def test_a_notebook(tmp_path, provider):
    """The call in one cell, the thumb by `rlhf.last()` in the next, and what is stored in a third."""
    cells = [
        f"""
import openai, rlhf_otel as rlhf
from rlhf_otel import feedback
rlhf.instrument()
client = openai.OpenAI(base_url={provider.openai_url!r}, api_key="k")
answer = client.chat.completions.create(model="m", messages=[{{"role": "user", "content": "Hi"}}])
""",
        "ref = feedback.record(rlhf.last(), True, comment='from a cell')\nassert ref.status == 'joined', ref",
        "((call, (thumb,)),) = rlhf.interactions()\nprint(call.request_model, thumb.comment)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = nbclient.NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.outputs]
    assert [(output.name, output.text) for output in outputs] == [("stdout", "m from a cell\n")]


@posix
def test_a_child_forked_while_a_segment_is_made_has_it_not_open(script):
    """Its lock would be the child's as well, and keep others from what the parent leaves."""
    ended = script("""
import os, threading, time
from rlhf_otel.export.spool import frames, locks
from rlhf_otel.export.spool.spool import Spool
begun, take = threading.Event(), locks.take
def slow(descriptor):
    begun.set()
    time.sleep(0.3)
    return take(descriptor)
locks.take = slow
spool = Spool("spool", ["store x"], 1 << 20)
writing = threading.Thread(target=lambda: spool.append([(frames.SPANS, b"x")]))
writing.start()
begun.wait()
begun_child, tell = os.pipe()
if (child := os.fork()) == 0:
    os.write(tell, b".")
    time.sleep(60)
os.read(begun_child, 1)
writing.join()
spool.let_go()
(path,) = spool.folder.glob("*.seg")
free = take(os.open(path, os.O_RDWR))
os.kill(child, 9)
assert free
""", timeout=20)  # fmt: skip
    assert ended.returncode == 0, ended.stderr


@posix
def test_a_fork_waits_until_nothing_is_half_imported(script):
    """Whatever thread imports; one that forks while it imports itself does not wait for itself."""
    ended = script("""
import os, threading, time
from rlhf_otel.export.forked import uninterrupted
begun, whole = threading.Event(), []
def work():
    with uninterrupted():
        begun.set()
        time.sleep(0.3)
        whole.append(True)
threading.Thread(target=work).start()
begun.wait()
with uninterrupted():
    if (child := os.fork()) == 0:
        with uninterrupted():
            os._exit(0 if whole else 1)
assert os.waitpid(child, 0)[1] == 0
""", timeout=20)  # fmt: skip
    assert ended.returncode == 0, ended.stderr


def test_feedback_waits_for_no_processor(monkeypatch):
    """The first call is with a processor that waits for the thread which gives the first feedback."""
    begun, given = threading.Event(), threading.Event()
    waited: list[bool] = []

    def processor(_):
        begun.set()
        waited.append(given.wait(20))

    rlhf.add_processor(processor)
    rlhf.instrument(endpoint="http://127.0.0.1:9")
    monkeypatch.delitem(sys.modules, "rlhf_otel.export.encoder", raising=False)
    made = rlhf.capture(prompt="a", response="b")
    assert begun.wait(20)
    feedback.record(made, True)
    given.set()
    rlhf.flush(1)
    assert waited == [True]


def test_a_child_forked_while_a_provider_is_being_made_does_not_wait_for_it(script):
    """The thread that was making it does not exist in the child, which makes its own."""
    ended = script("""
import os, threading, rlhf_otel as rlhf
from rlhf_otel.export import setup
rlhf.instrument(store=":memory:")
own, begun, go = setup.current().own, threading.Event(), threading.Event()
sampler = own._sampler
def slow():
    begun.set()
    go.wait()
    return sampler()
own._sampler = slow
threading.Thread(target=lambda: own.tracer_provider, daemon=True).start()
begun.wait()
if (child := os.fork()) == 0:
    own._sampler = sampler
    rlhf.capture(prompt="a", response="b")
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
go.set()
""", timeout=20)  # fmt: skip
    assert ended.returncode == 0, ended.stderr
