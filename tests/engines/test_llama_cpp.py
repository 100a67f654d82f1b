"""llama-cpp-python itself, with a tiny model of random weights that is made here."""

from __future__ import annotations

import inspect
import json
import os
from types import GeneratorType

import pytest
from opentelemetry.trace import SpanKind

from rlhf_otel import instrumentation
from rlhf_otel.instrumentation.providers import llama_cpp as ours
from rlhf_otel.testing import capture
from tests.libraries.test_llama_cpp import CALLS, HI, SOURCE

if not os.environ.get("RLHF_OTEL_TEST_LIBRARIES"):
    pytest.importorskip("llama_cpp")
import gguf
import numpy as np
from llama_cpp import Llama

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(120)]
WIDTH, LAYERS = 64, 2
TOKENS = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
KINDS = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL, *[gguf.TokenType.BYTE] * 256]
TEMPLATE = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
FIVE = {"max_tokens": 5, "temperature": 0.0, "seed": 7, "logit_bias": {2: -100.0}}  # the bias keeps it from ending
each_call = pytest.mark.parametrize("name", CALLS)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A model whose tokens are bytes."""
    made = tmp_path_factory.mktemp("models") / "tiny.gguf"
    writer = gguf.GGUFWriter(str(made), "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(TOKENS)
    writer.add_token_scores([0.0] * len(TOKENS))
    writer.add_token_types(KINDS)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)
    for name, shape in shapes():
        writer.add_tensor(name, np.random.default_rng(0).normal(0, 0.3, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return str(made)


def shapes():
    """The weights, by name."""
    yield from (("token_embd.weight", (len(TOKENS), WIDTH)), ("output.weight", (len(TOKENS), WIDTH)))
    yield "output_norm.weight", (WIDTH,)
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
            yield f"blk.{layer}.{name}.weight", (WIDTH, WIDTH)
        for name in ("attn_norm", "ffn_norm"):
            yield f"blk.{layer}.{name}.weight", (WIDTH,)


@pytest.fixture(scope="module")
def model(path):
    """That model, loaded."""
    return Llama(path, n_ctx=512, verbose=False)


@pytest.fixture
def kept():
    """Calls of models are recorded."""
    instrumentation.switch_on(("llama_cpp",))
    with capture() as made:
        yield made
    instrumentation.switch_off(("llama_cpp",))


def said(span):
    """Prompt and answer of a span."""
    found = [json.loads(span.attributes[f"gen_ai.{side}.messages"]) for side in ("input", "output")]
    return [messages[0]["parts"][0]["content"] for messages in found]


def text_of(answer):
    """The text of an answer, or of one chunk."""
    choice = answer["choices"][0]
    return (choice.get("message") or choice.get("delta") or choice).get("text" if "text" in choice else "content") or ""


def same(answer):
    """What is to be the same in two answers."""
    return {key: value for key, value in answer.items() if key not in ("id", "created")}


@each_call
def test_an_answer(model, kept, name):
    """A call is one span of this process, and the application gets what it gets without us."""
    call, span_name = CALLS[name]
    answer = call(model, top_k=9, **FIVE)
    instrumentation.switch_off(("llama_cpp",))
    assert same(answer) == same(call(model, top_k=9, **FIVE))
    (span,) = kept.spans
    assert (span.name, span.kind) == (span_name, SpanKind.INTERNAL)
    assert said(span) == ["Hi", text_of(answer)]
    wanted = {
        "gen_ai.provider.name": "llama_cpp", "gen_ai.request.max_tokens": 5, "gen_ai.request.top_k": 9,
        "gen_ai.request.seed": 7, "gen_ai.response.id": answer["id"],
        "gen_ai.response.finish_reasons": ("length",), "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.input_tokens": answer["usage"]["prompt_tokens"],
    }  # fmt: skip
    assert {key: span.attributes.get(key) for key in wanted} == wanted


@each_call
def test_a_stream(model, kept, name):
    """A stream stays a generator, has the times of its chunks, and the same chunks as without us."""
    call, _ = CALLS[name]
    stream = call(model, stream=True, **FIVE)
    assert type(stream) is GeneratorType
    chunks = list(stream)
    instrumentation.switch_off(("llama_cpp",))
    assert [same(chunk) for chunk in chunks] == [same(chunk) for chunk in call(model, stream=True, **FIVE)]
    (span,) = kept.spans
    assert said(span) == ["Hi", "".join(map(text_of, chunks))]
    assert span.attributes["rlhf.stream.end"] == "completed"
    assert span.attributes["rlhf.stream.chunks"] == len(chunks)
    assert span.attributes["gen_ai.response.finish_reasons"] == ("length",)
    assert span.attributes["rlhf.response.time_to_first_token"] > 0
    assert "gen_ai.usage.output_tokens" not in span.attributes


@each_call
def test_a_stream_that_is_left(model, kept, name):
    """Whoever reads one chunk and closes the stream has one span that says so."""
    stream = CALLS[name][0](model, stream=True, **FIVE)
    next(stream)
    stream.close()
    (span,) = kept.spans
    assert span.attributes["rlhf.stream.end"] == "abandoned"


@pytest.mark.parametrize("pooling", [0, 1], ids=["of each token", "of the text"])
def test_embeddings(path, kept, pooling):
    """Embeddings are counted, and have the model's width, be they one for the text or one for each of its tokens."""
    model = Llama(path, embedding=True, pooling_type=pooling, n_ctx=64, verbose=False)
    found = model.create_embedding(["Hi", "Ho"])
    (span,) = kept.spans
    assert span.name == "embeddings tiny.gguf"
    assert span.attributes["gen_ai.embeddings.dimension.count"] == WIDTH
    assert span.attributes["gen_ai.usage.input_tokens"] == found["usage"]["prompt_tokens"]
    inputs = [message["parts"][0]["content"] for message in json.loads(span.attributes["gen_ai.input.messages"])]
    assert inputs == ["Hi", "Ho"]


def test_a_prompt_of_tokens(model, kept):
    """A prompt of tokens is counted and has no text."""
    model.create_completion([1, 75, 108], **FIVE)
    (span,) = kept.spans
    assert span.attributes["gen_ai.usage.input_tokens"] == 3
    assert json.loads(span.attributes.get("gen_ai.input.messages", "[]")) == []


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_refused(model, kept, stream):
    """A prompt longer than the model's context raises the library's own exception, and the span tells it."""
    with pytest.raises(ValueError, match="context window"):
        list(model.create_completion("x" * 600, stream=stream))
    (span,) = kept.spans
    assert span.attributes["error.type"] == "ValueError"


@pytest.mark.parametrize("broken", ["request", "response", "chunk"])
@pytest.mark.parametrize("stream", [False, True])
def test_no_fault_of_ours_reaches_the_application(model, monkeypatch, broken, stream):
    """Where what reads prompts and answers breaks, the application gets what it gets without us."""

    def use():
        got = model.create_chat_completion(HI, stream=stream, **FIVE)
        return [same(chunk) for chunk in got] if stream else same(got)

    bare = use()
    monkeypatch.setattr(ours.Chat, broken, lambda *_: 1 / 0)
    instrumentation.switch_on(("llama_cpp",))
    with capture(strict=False):
        assert use() == bare
    instrumentation.switch_off(("llama_cpp",))


@pytest.mark.parametrize("name", ["create_chat_completion", "create_completion", "__call__", "create_embedding"])
def test_the_stand_in_is_like_it(name):
    """What runs where the library is not installed takes arguments that it takes, and the first in the same places."""
    scope = {}
    exec(SOURCE, scope)
    stand_in, real = (list(inspect.signature(getattr(cls, name)).parameters) for cls in (scope["Llama"], Llama))
    assert stand_in[:3] == real[:3]
    assert set(stand_in) <= set(real)
