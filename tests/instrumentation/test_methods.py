"""The patch point for libraries without a waist: methods by their dotted names, of every kind that Python has."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from types import AsyncGeneratorType, GeneratorType, ModuleType, SimpleNamespace

import pytest
from opentelemetry.trace import SpanKind

import rlhf_otel as rlhf
from rlhf_otel import instrumentation
from rlhf_otel.instrumentation import parts, providers
from rlhf_otel.instrumentation.methods import Described, Method
from rlhf_otel.testing import capture

SOURCE = """
__version__ = "3.1"


class Client:
    def ask(self, prompt, *, stream=False, **options):
        if prompt == "fail":
            raise ValueError("no")
        return self._words() if stream else {"text": "hello world"}

    def _words(self):
        try:
            yield "hello "
            yield "world"
        finally:
            self.closed = True

    async def ask_async(self, prompt, *, stream=False, hook=None):
        if hook is not None:
            hook()
        return self._words_async() if stream else {"text": "hello world"}

    def promise(self, prompt):
        return self.ask_async(prompt)

    async def _words_async(self):
        try:
            yield "hello "
            yield "world"
        finally:
            self.closed = True

    def generate(self, prompt):
        yield "hello "
        yield "world"

    async def generate_async(self, prompt):
        try:
            yield "hello "
            yield "world"
        finally:
            self.closed = True

    def hold(self, prompt):
        return {"body": Held(self._words())}

    def twice(self, prompt):
        return self.ask(prompt)


class Held:
    def __init__(self, words):
        self.words = words

    def __iter__(self):
        return iter(self.words)
"""


GATE = """
class Gate:
    def ask(self, client, prompt):
        return client.ask(prompt) if client else {"text": "own"}
"""


class Words:
    """Readers of the small library above."""

    operation = "chat"

    def request(self, call, body):
        call.input = [parts.message("user", [parts.text(body["prompt"])])]

    def response(self, call, result):
        call.output = [parts.message("assistant", [parts.text(result["text"])])]

    def new_state(self):
        return []

    def chunk(self, call, state, chunk):
        state.append(chunk)
        call.token()

    def end(self, call, state):
        call.output = [parts.message("assistant", [parts.text("".join(state))])]


class Library:
    """The provider of the small library."""

    package = "small_llm"
    versions = (3, 3)
    methods = (
        Method(target="small_llm:Client.ask", endpoint=Words(), stream="stream"),
        Method(target="small_llm:Client.ask_async", endpoint=lambda _, given: Words(), stream="stream"),
        Method(target="small_llm:Client.promise", endpoint=Words()),
        Method(target="small_llm:Client.generate", endpoint=Words(), stream=True),
        Method(target="small_llm:Client.generate_async", endpoint=Words(), stream=True, in_process=True),
        Method(target="small_llm:Client.hold", endpoint=Words(), stream=True, inner="body.words"),
        Method(target="small_llm:Client.twice", endpoint=Words()),
        Method(target="small_llm:Client.of_another_version", endpoint=Words()),
        Method(target="small_llm_extra:Client.ask", endpoint=Words()),
    )

    def describe(self, instance, arguments):
        return Described(provider="small", model=arguments.get("model", "tiny"))


@pytest.fixture
def library(monkeypatch):
    """The small library, installed and known."""
    module = ModuleType("small_llm")
    exec(SOURCE, module.__dict__)  # as importing it would
    for cls in (module.Client, module.Held):
        cls.__module__ = "small_llm"
    reader = ModuleType("small_llm_reader")
    reader.provider = Library()
    monkeypatch.setitem(sys.modules, "small_llm", module)
    monkeypatch.setitem(sys.modules, "small_llm_reader", reader)
    monkeypatch.setitem(providers.BUILT_IN, "small_llm", "small_llm_reader")
    yield module
    instrumentation.switch_off(("small_llm",))


@pytest.fixture
def kept(library):
    """Its calls are recorded."""
    with capture() as made:
        instrumentation.switch_on(("small_llm",))
        yield made


def said(kept):
    """The one span's prompt and answer."""
    (span,) = kept.spans
    return [json.loads(span.attributes[f"gen_ai.{side}.messages"])[0]["parts"][0]["content"]
            for side in ("input", "output")]  # fmt: skip


def test_a_plain_method(library, kept):
    """A method that returns an answer is one span, named and filled by the readers."""
    assert library.Client().ask("Hi", model="big") == {"text": "hello world"}
    assert said(kept) == ["Hi", "hello world"]
    assert (kept.spans[0].name, kept.spans[0].kind) == ("chat big", SpanKind.CLIENT)


def test_a_method_that_returns_a_generator(library, kept):
    """What was a generator is one, and the span ends with it."""
    words = library.Client().ask("Hi", stream=True)
    assert type(words) is GeneratorType
    assert kept.spans == []
    assert list(words) == ["hello ", "world"]
    assert said(kept) == ["Hi", "hello world"]
    assert kept.spans[0].attributes["rlhf.stream.end"] == "completed"


def test_a_generator_that_is_closed_early(library, kept):
    """Closing reaches the library's own generator at once, and what was read is kept."""
    client = library.Client()
    words = client.ask("Hi", stream=True)
    assert next(words) == "hello "
    words.close()
    assert client.closed
    assert said(kept) == ["Hi", "hello "]
    assert kept.spans[0].attributes["rlhf.stream.end"] == "abandoned"


def test_a_generator_that_is_never_read(library, kept):
    """A stream that is dropped unread is a span all the same."""
    library.Client().ask("Hi", stream=True)
    assert kept.spans[0].attributes["rlhf.stream.end"] == "abandoned"


def test_an_asynchronous_method(library, kept):
    """A coroutine function stays one."""
    client = library.Client()
    assert inspect.iscoroutinefunction(client.ask_async)
    assert asyncio.run(client.ask_async("Hi")) == {"text": "hello world"}
    assert said(kept) == ["Hi", "hello world"]


def test_an_asynchronous_stream(library, kept):
    """An asynchronous generator that is closed early closes the library's own before `aclose` returns."""
    client = library.Client()

    async def read():
        words = await client.ask_async("Hi", stream=True)
        assert type(words) is AsyncGeneratorType
        async for _ in words:
            break
        await words.aclose()
        return client.closed

    assert asyncio.run(read())
    assert said(kept) == ["Hi", "hello "]


def test_a_method_that_returns_a_coroutine(library, kept):
    """A method that is no coroutine function and returns a coroutine is recorded when that is awaited, once."""
    assert asyncio.run(library.Client().promise("Hi")) == {"text": "hello world"}
    assert said(kept) == ["Hi", "hello world"]


def test_generator_functions(library, kept):
    """A generator function starts nothing before it is iterated, as without us."""
    newest = rlhf.last()
    words = library.Client().generate("Hi")
    assert rlhf.last() is newest
    assert inspect.isgeneratorfunction(library.Client.generate)
    assert list(words) == ["hello ", "world"]
    assert said(kept) == ["Hi", "hello world"]


def test_asynchronous_generator_functions(library, kept):
    """The same for asynchronous ones; a model in this process makes an internal span."""
    client = library.Client()

    async def read():
        words = client.generate_async("Hi")
        first = await words.__anext__()
        await words.aclose()
        return first, client.closed

    assert asyncio.run(read()) == ("hello ", True)
    assert said(kept) == ["Hi", "hello "]
    assert kept.spans[0].kind is SpanKind.INTERNAL


def test_a_stream_within_a_result(library, kept):
    """The iterator inside of a result is followed, and the result stays the library's own object."""
    result = library.Client().hold("Hi")
    assert type(result["body"]) is library.Held
    assert list(result["body"]) == ["hello ", "world"]
    assert said(kept) == ["Hi", "hello world"]


def test_a_method_that_calls_another(library, kept):
    """A patched method within a patched method is one call."""
    library.Client().twice("Hi")
    assert said(kept) == ["Hi", "hello world"]


def test_a_part_that_is_imported_later(library, kept, monkeypatch, tmp_path):
    """A part of the library is not imported for its methods; they are replaced when the application imports it."""
    (tmp_path / "small_llm_extra.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    assert "small_llm_extra" not in sys.modules
    import small_llm_extra

    monkeypatch.delitem(sys.modules, "small_llm_extra")
    small_llm_extra.Client().ask("Hi")
    assert said(kept) == ["Hi", "hello world"]
    instrumentation.switch_off(("small_llm",))
    small_llm_extra.Client().ask("Hi")
    assert len(kept.spans) == 1


def test_what_fails(library, kept):
    """The exception is the library's, and the span tells it."""
    with pytest.raises(ValueError, match="no"):
        library.Client().ask("fail")
    assert kept.spans[0].attributes["error.type"] == "ValueError"


def test_wrong_arguments(library, kept):
    """What does not fit the method raises what it raises without us, and is no call."""
    with pytest.raises(TypeError, match="prompt"):
        library.Client().ask()
    assert kept.spans == []


def test_later_changes_do_not_reach_the_span(library, kept, monkeypatch):
    """What the application changes while it reads the stream is not what was asked."""
    monkeypatch.setattr(Words, "request", lambda _, call, body: setattr(
        call, "input", [parts.message("user", [parts.text(body["prompt"][0]["text"])])]))  # fmt: skip
    asked = [{"text": "Hi"}]
    words = library.Client().ask(asked, stream=True)
    asked[0]["text"] = "changed"
    list(words)
    assert said(kept)[0] == "Hi"


def test_switched_off(library, kept):
    """The library's own methods are back."""
    own = library.Client.ask.__wrapped__
    instrumentation.switch_off(("small_llm",))
    assert library.Client.ask is own
    library.Client().ask("Hi")
    assert kept.spans == []


def test_one_client(library):
    """Only the calls of the client that was asked for are recorded."""
    with capture() as kept:
        client = library.Client()
        instrumentation.instrument_client(client)
        library.Client().ask("other")
        client.ask("Hi")
        assert said(kept) == ["Hi", "hello world"]


def test_a_gateway(library, kept, monkeypatch):
    """A library that hands a call on to one that records it leaves it to that one; else it is its own span."""
    outer = ModuleType("gateway_llm")
    outer.__version__ = "3.0"
    exec(GATE, outer.__dict__)
    outer.Gate.__module__ = "gateway_llm"
    provider = SimpleNamespace(
        package="gateway_llm", versions=(3, 3), is_gateway=True,
        methods=(Method(target="gateway_llm:Gate.ask", endpoint=Words()),),
        describe=lambda instance, arguments: Described(provider="gate", model="routed"),
    )  # fmt: skip
    reader = ModuleType("gateway_reader")
    reader.provider = provider
    monkeypatch.setitem(sys.modules, "gateway_llm", outer)
    monkeypatch.setitem(sys.modules, "gateway_reader", reader)
    monkeypatch.setitem(providers.BUILT_IN, "gateway_llm", "gateway_reader")
    instrumentation.switch_on(("gateway_llm",))
    try:
        outer.Gate().ask(library.Client(), "Hi")
        assert [span.name for span in kept.spans] == ["chat tiny"]
        result = outer.Gate().ask(None, "Hi")
        assert [span.name for span in kept.spans] == ["chat tiny", "chat routed"]
        assert result == {"text": "own"}
        assert rlhf.last().span_id == f"{kept.spans[1].context.span_id:016x}"
        with pytest.raises(ValueError, match="no"):
            outer.Gate().ask(library.Client(), "fail")
        assert [span.attributes.get("error.type") for span in kept.spans] == [None, None, "ValueError"]
    finally:
        instrumentation.switch_off(("gateway_llm",))


def test_a_task_that_is_begun_during_a_call_makes_calls_of_its_own(library, kept):
    """A call beneath another of the same library is part of that one for no longer than that one lasts."""
    client, tasks = library.Client(), []

    async def later():
        await over.wait()
        return await client.ask_async("later")

    async def main():
        await client.ask_async("now", hook=lambda: tasks.append(asyncio.ensure_future(later())))
        over.set()
        return await tasks[0]

    over = asyncio.Event()
    assert asyncio.run(main()) == {"text": "hello world"}
    assert [i.input[0]["parts"][0]["content"] for i in kept.interactions] == ["now", "later"]
