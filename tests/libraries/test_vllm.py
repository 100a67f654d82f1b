"""vllm offline: a stand-in with vllm's signatures, which `tests/engines` holds against those of vllm itself."""

from __future__ import annotations

import json
import sys
from types import ModuleType, SimpleNamespace

import pytest
from opentelemetry.trace import SpanKind

from rlhf_otel import instrumentation
from rlhf_otel.testing import capture

SOURCE = """
class LLM:
    def generate(self, prompts, sampling_params=None, *, use_tqdm=True, lora_request=None, priority=None,
                 tokenization_kwargs=None, mm_processor_kwargs=None):
        return self.answers

    def chat(self, messages, sampling_params=None, use_tqdm=True, lora_request=None, priority=None,
             chat_template=None, chat_template_content_format="auto", add_generation_prompt=True,
             continue_final_message=False, tools=None, chat_template_kwargs=None, tokenization_kwargs=None,
             mm_processor_kwargs=None):
        return self.generate(["<templated>"], sampling_params)

    def embed(self, prompts, *, use_tqdm=True, pooling_params=None, lora_request=None, tokenization_kwargs=None):
        return self.answers
"""


def answered(text, asked):
    """What the engine gives back for one prompt."""
    said = SimpleNamespace(text=text, token_ids=[1, 2], finish_reason="stop")
    return SimpleNamespace(prompt_token_ids=list(range(asked)), num_cached_tokens=1, outputs=[said])


@pytest.fixture
def engine(monkeypatch):
    """An engine with a model loaded, whose calls are recorded."""
    module, root = ModuleType("vllm.entrypoints.llm"), ModuleType("vllm")
    exec(SOURCE, module.__dict__)
    root.__version__ = "0.33.0"
    monkeypatch.setitem(sys.modules, "vllm", root)
    monkeypatch.setitem(sys.modules, "vllm.entrypoints.llm", module)
    instrumentation.switch_on(("vllm",))
    made = module.LLM()
    made.model_config = SimpleNamespace(model="tiny")
    yield made
    instrumentation.switch_off(("vllm",))


def said(span, side):
    """A span's messages."""
    return [(m["role"], m["parts"][0]["content"]) for m in json.loads(span.attributes[f"gen_ai.{side}.messages"])]


def test_prompts(engine):
    """Prompts that are worked off together are one span of this process, with the sums of their tokens."""
    engine.answers = [answered("one", 3), answered("two", 4)]
    params = SimpleNamespace(max_tokens=9, temperature=0.5, top_p=1.0, top_k=-1, n=1, stop=["END"], seed=None)
    with capture() as kept:
        assert engine.generate(["a", {"prompt": "b"}], params) is engine.answers
    (span,) = kept.spans
    assert (span.name, span.kind) == ("text_completion tiny", SpanKind.INTERNAL)
    assert said(span, "input") == [("user", "a"), ("user", "b")]
    assert said(span, "output") == [("assistant", "one"), ("assistant", "two")]
    wanted = {
        "gen_ai.provider.name": "vllm", "gen_ai.request.max_tokens": 9, "gen_ai.request.temperature": 0.5,
        "gen_ai.request.stop_sequences": ("END",), "gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 4,
        "gen_ai.usage.cache_read.input_tokens": 2,
    }  # fmt: skip
    assert {key: span.attributes.get(key) for key in wanted} == wanted
    assert "gen_ai.request.top_k" not in span.attributes


def test_a_conversation(engine):
    """A chat is one span with its messages, though the engine makes a prompt of them for itself."""
    engine.answers = [answered("Hello.", 3)]
    with capture() as kept:
        engine.chat([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
    (span,) = kept.spans
    assert span.name == "chat tiny"
    assert said(span, "input") == [("system", "Be brief."), ("user", "Hi")]
    assert said(span, "output") == [("assistant", "Hello.")]


def test_embeddings(engine):
    """Embeddings have their size, and the sum of their tokens."""
    engine.answers = [SimpleNamespace(prompt_token_ids=[1, 2], outputs=SimpleNamespace(embedding=[0.1, 0.2, 0.3]))]
    with capture() as kept:
        assert engine.embed("a b") is engine.answers
    (span,) = kept.spans
    assert (span.name, said(span, "input")) == ("embeddings tiny", [("user", "a b")])
    assert span.attributes["gen_ai.embeddings.dimension.count"] == 3
    assert span.attributes["gen_ai.usage.input_tokens"] == 2
