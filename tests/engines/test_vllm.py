"""vllm itself, on the processor, with a tiny model of random weights that is made here."""

from __future__ import annotations

import inspect
import json
import os
import warnings

import pytest
from opentelemetry.trace import SpanKind

from rlhf_otel import instrumentation
from rlhf_otel.instrumentation.providers import vllm as ours
from rlhf_otel.testing import capture
from tests.libraries.test_vllm import SOURCE

os.environ |= {
    "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_HOST_IP": "127.0.0.1",
    "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR", "HF_HUB_OFFLINE": "1",
}  # fmt: skip
if not os.environ.get("RLHF_OTEL_TEST_LIBRARIES"):
    pytest.importorskip("vllm")
with warnings.catch_warnings(action="ignore"):  # of torch, at what it does itself
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    from vllm import LLM, RequestOutput, SamplingParams

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(300)]
WORDS = ["<end>", "<pad>", *"abcdefghijklmnopqrstuvwxyz"]
TEMPLATE = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
HI = [{"role": "system", "content": "a b"}, {"role": "user", "content": "c"}]
FIVE = SamplingParams(max_tokens=5, min_tokens=5, temperature=0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model whose tokens are letters."""
    made = str(tmp_path_factory.mktemp("models") / "tiny")
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>", pad_token="<pad>")
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(made)
    config = LlamaConfig(
        vocab_size=len(WORDS), hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=512, bos_token_id=0, eos_token_id=0, pad_token_id=1,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(made)
    return made


@pytest.fixture(scope="module")
def engine(folder):
    """The engine with that model loaded."""
    return LLM(folder, enforce_eager=True, dtype="float32", max_model_len=512, max_num_seqs=4, seed=0)


@pytest.fixture
def kept():
    """Calls of the engine are recorded."""
    instrumentation.switch_on(("vllm",))
    with capture() as made:
        yield made
    instrumentation.switch_off(("vllm",))


def said(span, side):
    """A span's messages."""
    return [(m["role"], m["parts"][0]["content"]) for m in json.loads(span.attributes[f"gen_ai.{side}.messages"])]


def texts(answers):
    """What the application sees of the answers."""
    return [(type(one), one.prompt_token_ids, [each.text for each in one.outputs]) for one in answers]


def test_prompts(engine, folder, kept):
    """Prompts of one call are one span of this process, with the answers, and the application gets what it gets."""
    bare = LLM.generate.__wrapped__(engine, ["a b c", {"prompt": "d"}], FIVE, use_tqdm=False)
    assert kept.spans == []
    answers = engine.generate(["a b c", {"prompt": "d"}], FIVE, use_tqdm=False)
    assert texts(answers) == texts(bare)
    assert type(answers[0]) is RequestOutput
    (span,) = kept.spans
    assert (span.name, span.kind) == (f"text_completion {folder}", SpanKind.INTERNAL)
    assert said(span, "input") == [("user", "a b c"), ("user", "d")]
    assert said(span, "output") == [("assistant", one.outputs[0].text) for one in answers]
    wanted = {
        "gen_ai.provider.name": "vllm", "gen_ai.request.max_tokens": 5, "gen_ai.request.temperature": 0.0,
        "gen_ai.usage.input_tokens": 4, "gen_ai.usage.output_tokens": 10,
        "gen_ai.response.finish_reasons": ("length", "length"),
    }  # fmt: skip
    assert {key: span.attributes.get(key) for key in wanted} == wanted


def test_prompts_of_tokens(engine, kept):
    """A prompt of tokens is counted and has no text."""
    engine.generate({"prompt_token_ids": [2, 3]}, FIVE, use_tqdm=False)
    (span,) = kept.spans
    assert (span.attributes["gen_ai.usage.input_tokens"], span.attributes["gen_ai.usage.output_tokens"]) == (2, 5)
    assert json.loads(span.attributes.get("gen_ai.input.messages", "[]")) == []


def test_several_answers(engine, kept):
    """Several answers to a prompt are messages of one span; the prompt counts once."""
    params = SamplingParams(max_tokens=3, min_tokens=3, n=2, top_k=9, stop=["nothing"], seed=7)
    engine.generate("a b", params, use_tqdm=False)
    (span,) = kept.spans
    wanted = {
        "gen_ai.request.choice.count": 2, "gen_ai.request.top_k": 9, "gen_ai.request.seed": 7,
        "gen_ai.request.stop_sequences": ("nothing",), "gen_ai.usage.input_tokens": 2, "gen_ai.usage.output_tokens": 6,
    }  # fmt: skip
    assert {key: span.attributes.get(key) for key in wanted} == wanted
    assert len(said(span, "output")) == 2


def test_a_conversation(engine, folder, kept):
    """A chat is one span with its messages, though the engine makes a prompt of them for itself."""
    (answer,) = engine.chat(HI, FIVE, use_tqdm=False)
    (span,) = kept.spans
    assert span.name == f"chat {folder}"
    assert said(span, "input") == [("system", "a b"), ("user", "c")]
    assert said(span, "output") == [("assistant", answer.outputs[0].text)]
    assert span.attributes["gen_ai.usage.input_tokens"] == 3


def test_conversations(engine, kept):
    """Conversations of one call are one span."""
    engine.chat([HI, HI[1:]], FIVE, use_tqdm=False)
    (span,) = kept.spans
    assert said(span, "input") == [("system", "a b"), ("user", "c"), ("user", "c")]
    assert span.attributes["gen_ai.usage.input_tokens"] == 4


def test_what_was_in_the_cache(engine, kept):
    """Tokens of a prompt that the engine has seen are counted as read from its cache, and among those that went in."""
    prompt = "a b c d e f g h " * 40
    for _ in range(2):
        engine.generate(prompt, FIVE, use_tqdm=False)
    first, second = (span.attributes for span in kept.spans)
    assert first["gen_ai.usage.cache_read.input_tokens"] == 0
    assert 0 < second["gen_ai.usage.cache_read.input_tokens"] < second["gen_ai.usage.input_tokens"] == 320


def test_what_is_refused(engine, kept):
    """The exception is the engine's own, as without us, and the span tells it."""
    too_long = "a " * 600
    with pytest.raises(Exception) as bare:
        LLM.generate.__wrapped__(engine, too_long, FIVE, use_tqdm=False)
    with pytest.raises(Exception) as error:
        engine.generate(too_long, FIVE, use_tqdm=False)
    assert (type(error.value), str(error.value)) == (type(bare.value), str(bare.value))
    (span,) = kept.spans
    assert span.attributes["error.type"] == type(error.value).__qualname__


@pytest.mark.parametrize("broken", ["request", "response"])
def test_no_fault_of_ours_reaches_the_application(engine, monkeypatch, broken):
    """Where what reads prompts and answers breaks, the application gets what it gets without us."""
    bare = engine.generate("a b", FIVE, use_tqdm=False)
    monkeypatch.setattr(ours.Generate, broken, lambda *_: 1 / 0)
    instrumentation.switch_on(("vllm",))
    with capture(strict=False):
        assert texts(engine.generate("a b", FIVE, use_tqdm=False)) == texts(bare)
    instrumentation.switch_off(("vllm",))


def test_embeddings(folder, kept):
    """Embeddings of one call are one span with their size and the sum of their tokens."""
    engine = LLM(folder, runner="pooling", enforce_eager=True, dtype="float32", max_model_len=512, seed=0)
    bare = LLM.embed.__wrapped__(engine, ["a b c", "d"], use_tqdm=False)
    found = engine.embed(["a b c", "d"], use_tqdm=False)
    assert [one.outputs.embedding for one in found] == [one.outputs.embedding for one in bare]
    (span,) = kept.spans
    assert (span.name, span.kind) == (f"embeddings {folder}", SpanKind.INTERNAL)
    assert said(span, "input") == [("user", "a b c"), ("user", "d")]
    assert span.attributes["gen_ai.embeddings.dimension.count"] == 64
    assert span.attributes["gen_ai.usage.input_tokens"] == 4
    assert "gen_ai.output.messages" not in span.attributes


@pytest.mark.parametrize("name", ["generate", "chat", "embed"])
def test_the_stand_in_is_like_it(name):
    """What runs where vllm does not takes the same arguments, in the same way."""
    scope = {}
    exec(SOURCE, scope)
    taken = [
        [(p.name, p.kind) for p in inspect.signature(getattr(cls, name)).parameters.values()]
        for cls in (scope["LLM"], LLM)
    ]
    assert taken[0] == taken[1]
