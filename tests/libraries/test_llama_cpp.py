"""llama-cpp-python: a stand-in with its methods and the dicts that they return, as the real one has to be compiled."""

from __future__ import annotations

import json
import sys
from types import GeneratorType, ModuleType

import pytest
from opentelemetry.trace import SpanKind

from rlhf_otel import instrumentation
from rlhf_otel.testing import capture

SOURCE = """
HEAD = {"id": "c1", "created": 1, "model": "/models/tiny.gguf"}
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


class Llama:
    model_path = "/models/tiny.gguf"

    def create_chat_completion(self, messages, functions=None, tools=None, temperature=0.2, top_k=40, stream=False,
                               max_tokens=None):
        self.create_completion("<templated>", stream=stream)
        if stream:
            return self._chunks("delta", {"role": "assistant"}, {"content": "Hel"}, {"content": "lo."})
        choice = {"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}
        return {**HEAD, "choices": [choice], "usage": USAGE}

    def create_completion(self, prompt, suffix=None, max_tokens=16, temperature=0.8, top_k=40, stream=False):
        if stream:
            return self._chunks("text", "Hel", "lo.", last="")
        return {**HEAD, "choices": [{"index": 0, "text": "Hello.", "finish_reason": "stop"}], "usage": USAGE}

    def __call__(self, prompt, suffix=None, max_tokens=16, temperature=0.8, top_k=40, stream=False):
        return self.create_completion(prompt, suffix, max_tokens, temperature, top_k, stream)

    def create_embedding(self, input, model=None):
        vector = {"object": "embedding", "embedding": [0.1, 0.2], "index": 0}
        return {"data": [vector], "model": self.model_path, "usage": {"prompt_tokens": 3, "total_tokens": 3}}

    def _chunks(self, key, *values, last=None):
        for value in values:
            yield {**HEAD, "choices": [{"index": 0, key: value, "finish_reason": None}]}
        yield {**HEAD, "choices": [{"index": 0, key: {} if last is None else last, "finish_reason": "stop"}]}
"""
HI = [{"role": "user", "content": "Hi"}]
CALLS = {
    "chat": (lambda m, **more: m.create_chat_completion(HI, **more), "chat tiny.gguf"),
    "completion": (lambda m, **more: m.create_completion("Hi", **more), "text_completion tiny.gguf"),
    "function": (lambda m, **more: m("Hi", **more), "text_completion tiny.gguf"),
}
each_call = pytest.mark.parametrize("name", CALLS)


@pytest.fixture
def model(monkeypatch):
    """A model that is loaded, whose calls are recorded."""
    module, root = ModuleType("llama_cpp.llama"), ModuleType("llama_cpp")
    exec(SOURCE, module.__dict__)
    root.__version__ = "0.3.16"
    monkeypatch.setitem(sys.modules, "llama_cpp", root)
    monkeypatch.setitem(sys.modules, "llama_cpp.llama", module)
    instrumentation.switch_on(("llama_cpp",))
    yield module.Llama()
    instrumentation.switch_off(("llama_cpp",))


def said(span):
    """Prompt and answer of a span."""
    found = [json.loads(span.attributes[f"gen_ai.{side}.messages"]) for side in ("input", "output")]
    return [messages[0]["parts"][0]["content"] for messages in found]


@each_call
def test_an_answer(model, name):
    """A call is one span of this process, whatever it calls within the library."""
    call, span_name = CALLS[name]
    with capture() as kept:
        assert call(model, top_k=5)["usage"]["completion_tokens"] == 2
    (span,) = kept.spans
    assert (span.name, span.kind) == (span_name, SpanKind.INTERNAL)
    assert said(span) == ["Hi", "Hello."]
    assert span.attributes["gen_ai.usage.output_tokens"] == 2
    assert span.attributes["gen_ai.request.top_k"] == 5


@each_call
def test_a_stream(model, name):
    """A stream stays a generator, and has the time of its first token; of usage it says nothing."""
    with capture() as kept:
        stream = CALLS[name][0](model, stream=True)
        assert type(stream) is GeneratorType
        list(stream)
    (span,) = kept.spans
    assert said(span) == ["Hi", "Hello."]
    assert span.attributes["rlhf.stream.end"] == "completed"
    assert span.attributes["rlhf.response.time_to_first_token"] > 0
    assert "gen_ai.usage.output_tokens" not in span.attributes


def test_embeddings(model):
    """Embeddings have their size and their count."""
    with capture() as kept:
        model.create_embedding("Hi")
    (span,) = kept.spans
    assert span.attributes["gen_ai.embeddings.dimension.count"] == 2
    assert span.attributes["gen_ai.usage.input_tokens"] == 3
