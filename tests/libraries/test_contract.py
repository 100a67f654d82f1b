"""Each further library, the real one: one span for each call, as its cases write it out, and nothing else changed."""

from __future__ import annotations

import asyncio
import functools
import importlib
import importlib.util
import os
from contextlib import nullcontext
from pathlib import Path

import pytest
from opentelemetry.trace import StatusCode

from rlhf_otel import instrumentation, libraries
from rlhf_otel.testing import capture
from tests.instrumentation.test_faults import break_readers

from . import case as kit
from .wire import Body, Wire

pytestmark = [  # of the libraries themselves
    pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The .* method is deprecated"),
]


def _is_installed(package):
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _loaded():
    """The tables of cases, of the libraries that are installed; a file names its library by its own name."""
    for path in sorted(Path(__file__).parent.glob("cases_*.py")):
        package = libraries.named(path.stem.removeprefix("cases_"), libraries.BUILT_IN)
        if os.environ.get(kit.REQUIRED) or _is_installed(libraries.hook(package)):
            yield importlib.import_module(f"{__package__}.{path.stem}").LIBRARY


def _each(wanted=lambda case: True):
    """Parametrises a test with every case that is wanted, by each kind of client; with none it is skipped."""
    found = [
        pytest.param(library, case, kind, id=f"{library.package}-{case.name}-{kind}")
        for library in LIBRARIES
        for case in filter(wanted, library.cases)
        for kind in case.kinds
        if kind in library.clients
    ]
    return pytest.mark.parametrize(("library", "case", "kind"), found)


LIBRARIES = list(_loaded())
each_case = _each()
each_stream = _each(lambda case: case.stream)
each_first = _each(lambda case: case in [library.cases[0] for library in LIBRARIES])
each_first_of_both = _each(
    lambda case: case in [next((c for c in lib.cases if c.stream == case.stream), None) for lib in LIBRARIES]
)


@pytest.fixture(scope="module")
def wire():
    """One server for all cases."""
    server = Wire()
    yield server
    server.close()


@pytest.fixture(scope="module")
def loop():
    """One event loop for all cases, as clients belong to one."""
    made = asyncio.new_event_loop()
    yield made
    made.run_until_complete(made.shutdown_asyncgens())
    made.close()


@pytest.fixture(scope="module")
def clients(wire, loop):
    """One client of each kind for all cases of a library; making them costs more than using them."""
    made = []

    def client(made_by):
        made.append(made_by(wire.url))
        return made[-1]

    yield functools.cache(client)
    for one in made:
        if (close := getattr(one, "aclose", None)) is not None:
            loop.run_until_complete(close())


@pytest.fixture
def run(library, kind, clients, wire, loop):
    """Runs something with a client of the library: `run(act, case)`."""

    async def with_client(act, case):
        made_by = library.clients[kind]
        return await act(case, made_by(wire.url) if library.made_anew else clients(made_by))

    return lambda act, case: loop.run_until_complete(with_client(act, case))


@pytest.fixture
def recording(library):
    """Records the calls of the library while it is entered."""

    def recorded(**options):
        instrumentation.switch_on((library.package,))
        return capture(**options)

    yield recorded
    instrumentation.switch_off((library.package,))


@each_case
def test_one_span_as_the_case_says(library, case, kind, wire, run, recording):
    """A call makes one span for each call to a model, with the literal names, attributes and messages of its case."""
    wire.tell(*case.answers)
    with recording() as kept:
        run(kit.outcome, case)
    assert [span.name for span in kept.spans] == list(case.spans)
    span = kept.spans[-1]
    streamed = {"gen_ai.request.stream": True, "rlhf.stream.end": "completed"} if case.stream else {}
    assert kit.told(span) == {"gen_ai.provider.name": library.provider, **streamed, **case.attributes}
    assert kit.said(span) == dict(case.content)
    assert span.status.status_code is StatusCode.UNSET
    expected = [f"rlhf.response.time_to_first_{kind}" for kind in case.first] if case.stream else []
    assert sorted(key for key in span.attributes if "time_to_first_" in key and "chunk" not in key) == sorted(expected)


@each_case
def test_the_application_sees_the_same(library, case, kind, wire, run, recording):
    """Types and values of everything that the application gets are those of the library without us; so is the wire."""
    seen = []
    for record in (nullcontext, recording):
        wire.tell(*case.answers)
        with record():
            seen.append((run(kit.outcome, case), wire.requests))
    (bare, asked), (recorded, asked_too) = seen
    assert type(recorded) is type(bare)
    assert comparable(recorded) == comparable(bare)
    assert asked == asked_too


def comparable(value):
    """A result as values that compare: of objects without equality their type and fields, of arrays their items."""
    if hasattr(value, "tolist"):
        return type(value), value.tolist()
    if isinstance(value, list | tuple):
        return [comparable(item) for item in value]
    return value if type(value).__eq__ is not object.__eq__ else (type(value), vars(value))


@each_case
def test_no_fault_of_ours_reaches_the_application(library, case, kind, wire, run, recording, monkeypatch):
    """Where all that reads requests and answers breaks, the application gets what it gets without us."""
    results = []
    for record in (nullcontext, lambda: recording(strict=False)):
        wire.tell(*case.answers)
        with record():
            results.append(comparable(run(kit.outcome, case)))
        break_readers(monkeypatch, "request", "response", "chunk", "end")
    assert results[0] == results[1]


@each_stream
def test_a_stream_that_is_left_early(library, case, kind, wire, run, recording):
    """Whoever reads one chunk and leaves has one span that says so, at once."""
    wire.tell(*case.answers)
    with recording() as kept:
        run(kit.first_chunk, case)
        assert [span.attributes["rlhf.stream.end"] for span in kept.spans] == [case.leaves]
        assert kept.spans[0].status.status_code is StatusCode.UNSET


@each_first_of_both
def test_a_call_that_is_refused(library, case, kind, wire, run, recording):
    """The exception is the library's own, as without us, and the span tells its type, its words and no headers."""
    raised = []
    for record in (nullcontext, recording):
        wire.tell(library.refusal)
        with record() as kept, pytest.raises(Exception) as error:
            run(kit.outcome, case)
        raised.append((type(error.value), str(error.value)))
    assert raised[0] == raised[1]
    (span,) = kept.spans
    assert span.attributes["error.type"] == raised[0][0].__qualname__
    assert span.status.status_code is StatusCode.ERROR
    assert "no such model" in span.status.description
    assert "content-type" not in span.status.description.lower()
    assert library.refused in (None, span.status.description)


@each_first
def test_an_answer_that_says_nothing(library, case, kind, wire, run, recording):
    """An answer without any of the fields that the library promises is the application's as ever, and one span."""
    results = []
    for record in (nullcontext, lambda: recording(strict=False)):
        wire.tell(Body({}))
        with record() as kept:
            try:
                results.append(comparable(run(kit.outcome, case)))
            except Exception as error:
                results.append(type(error))
    assert results[0] == results[1]
    assert len(kept.spans) == 1
