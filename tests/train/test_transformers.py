"""transformers: text-generation pipelines over a tiny model with random weights, made here."""

from __future__ import annotations

import json
import os
import threading

import pytest
from opentelemetry.trace import SpanKind

from rlhf_otel import instrumentation
from rlhf_otel.instrumentation.providers import transformers as ours
from rlhf_otel.testing import capture

if not os.environ.get("RLHF_OTEL_TEST_LIBRARIES"):
    pytest.importorskip("transformers")
    pytest.importorskip("torch")
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    TextGenerationPipeline,
    TextIteratorStreamer,
    set_seed,
)
from transformers.pipelines.base import KeyDataset

pytestmark = pytest.mark.filterwarnings("ignore")
WORDS = ["<end>", "<pad>", *"abcdefghijklmnopqrstuvwxyz", "abcdef"]  # the last is what stop sequences are made of
TEMPLATE = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
HI = [{"role": "system", "content": "a b"}, {"role": "user", "content": "c"}]
ASKED = {"max_new_tokens": 5, "min_new_tokens": 5, "do_sample": False, "suppress_tokens": [1]}


@pytest.fixture(scope="module")
def pipe():
    """A pipeline whose tokens are letters."""
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>", pad_token="<pad>")
    tokenizer.chat_template = TEMPLATE
    set_seed(0)
    size = {"n_layer": 2, "n_head": 2, "n_embd": 16, "n_positions": 64, "vocab_size": len(WORDS)}
    config = GPT2Config(**size, bos_token_id=0, eos_token_id=0, pad_token_id=1)
    config._name_or_path = "acme/tiny"
    return TextGenerationPipeline(model=GPT2LMHeadModel(config).eval(), tokenizer=tokenizer, device="cpu")


@pytest.fixture
def kept():
    """Pipelines are recorded."""
    instrumentation.switch_on(("transformers",))
    with capture() as made:
        yield made
    instrumentation.switch_off(("transformers",))


def said(span, side):
    """A span's messages."""
    return [(m["role"], m["parts"][0]["content"]) for m in json.loads(span.attributes[f"gen_ai.{side}.messages"])]


def tokens(span):
    """How many went in and came out."""
    return tuple(span.attributes.get(f"gen_ai.usage.{side}_tokens") for side in ("input", "output"))


def test_a_prompt(pipe, kept):
    """A prompt is one span of this process, with its answer alone, and the application gets what it gets without us."""
    bare = pipe.__class__.__call__.__wrapped__(pipe, "a b c", **ASKED)
    assert kept.spans == []
    answer = pipe("a b c", temperature=0.5, top_k=9, **ASKED)
    assert answer == bare
    (span,) = kept.spans
    assert (span.name, span.kind) == ("text_completion acme/tiny", SpanKind.INTERNAL)
    assert said(span, "input") == [("user", "a b c")]
    assert said(span, "output") == [("assistant", answer[0]["generated_text"].removeprefix("a b c"))]
    assert tokens(span) == (3, 5)
    wanted = {"gen_ai.provider.name": "transformers", "gen_ai.request.max_tokens": 5,
              "gen_ai.request.temperature": 0.5, "gen_ai.request.top_k": 9}  # fmt: skip
    assert {key: span.attributes[key] for key in wanted} == wanted


@pytest.mark.parametrize("batch_size", [1, 3])
def test_prompts(pipe, kept, batch_size):
    """Prompts of one call are one span with the sums of their tokens, padding left out, however they are batched."""
    answers = pipe(["a b c", "d", "e f"], batch_size=batch_size, **ASKED)
    (span,) = kept.spans
    assert said(span, "input") == [("user", "a b c"), ("user", "d"), ("user", "e f")]
    assert len(said(span, "output")) == len(answers) == 3
    assert tokens(span) == (6, 15)


def test_new_text_alone(pipe, kept):
    """An answer that does not repeat its prompt is whole, even if it begins as the prompt does."""
    all_but_a = [number for number, word in enumerate(WORDS) if word != "a"]
    pipe("a", return_full_text=False, **{**ASKED, "suppress_tokens": all_but_a})
    assert said(kept.spans[0], "output") == [("assistant", "a a a a a")]


def test_tokens_instead_of_text(pipe, kept):
    """Answers as tokens are counted and have no text."""
    pipe("a b", return_tensors=True, **ASKED)
    (span,) = kept.spans
    assert tokens(span) == (2, 5)
    assert json.loads(span.attributes.get("gen_ai.output.messages", "[]")) == []


def test_several_answers(pipe, kept):
    """Several answers to one prompt are messages of one span; the prompt is counted once."""
    pipe("a b", num_return_sequences=2, num_beams=2, stop_sequence="abcdef", **{**ASKED, "suppress_tokens": [1, 28]})
    (span,) = kept.spans
    assert len(said(span, "output")) == 2
    assert span.attributes["gen_ai.request.choice.count"] == 2
    assert span.attributes["gen_ai.request.stop_sequences"] == ("abcdef",)
    assert tokens(span) == (2, 10)


@pytest.mark.parametrize("filling", [0, 1], ids=["end", "pad"])
def test_answers_that_end_early(pipe, kept, filling):
    """Of answers that ended before others, what fills them up is not counted, be it the token of an end itself."""
    set_seed(0)
    options = {"max_new_tokens": 40, "do_sample": True, "suppress_tokens": [1], "pad_token_id": filling}
    made = pipe(["a", "b", "c"], batch_size=3, return_tensors=True, **options)
    rows = [record["generated_token_ids"][1:] for (record,) in made]
    lengths = [row.index(0) + 1 if 0 in row else len(row) for row in rows]
    assert len(set(lengths)) > 1
    assert tokens(kept.spans[0]) == (3, sum(lengths))


def test_a_conversation(pipe, kept):
    """Of a conversation the new message is the answer."""
    answer = pipe(HI, **ASKED)
    (span,) = kept.spans
    assert span.name == "chat acme/tiny"
    assert said(span, "input") == [("system", "a b"), ("user", "c")]
    assert said(span, "output") == [("assistant", answer[0]["generated_text"][-1]["content"])]
    assert tokens(span) == (3, 5)


def test_a_conversation_that_the_model_goes_on_with(pipe, kept):
    """What the model adds to a message of its own is the answer."""
    answer = pipe([*HI, {"role": "assistant", "content": "d e"}], **ASKED)
    whole = answer[0]["generated_text"][-1]["content"]
    assert said(kept.spans[0], "output") == [("assistant", whole.removeprefix("d e"))]
    assert whole.startswith("d e")


def test_conversations(pipe, kept):
    """Conversations of one call are one span."""
    pipe([HI, HI[1:]], **ASKED)
    (span,) = kept.spans
    assert said(span, "input") == [("system", "a b"), ("user", "c"), ("user", "c")]
    assert len(said(span, "output")) == 2
    assert tokens(span) == (4, 10)


def test_prompts_still_to_be_drawn(pipe, kept):
    """A generator or a data set of prompts is drawn from as the library does it, and passed by."""
    drawn = []

    def prompts():
        for prompt in ("a", "b"):
            drawn.append(prompt)
            yield prompt

    answers = pipe(prompts(), **ASKED)
    assert drawn == ["a"]  # the library looks at the first itself
    assert len(list(answers)) == 2
    assert len(list(pipe(KeyDataset([{"text": "a"}], "text"), **ASKED))) == 1
    assert kept.spans == []


def test_what_is_refused(pipe, kept):
    """The exception is the library's own, and the span tells it."""
    with pytest.raises(ValueError, match="return_text"):
        pipe("a", return_full_text=True, return_text=True)
    (span,) = kept.spans
    assert span.attributes["error.type"] == "ValueError"


def test_a_streamer(pipe, kept):
    """A streamer gets what it gets without us, on the thread that it is read on, and the call is one span."""
    streamer = TextIteratorStreamer(pipe.tokenizer, skip_prompt=True)
    thread = threading.Thread(target=pipe, args=("a b",), kwargs={"streamer": streamer, **ASKED})
    thread.start()
    text = "".join(streamer)
    thread.join()
    (span,) = kept.spans
    assert "".join(text.split()) == "".join(said(span, "output")[0][1].split())
    assert tokens(span) == (2, 5)


@pytest.mark.parametrize("broken", ["_repeats", "_count", "_without", "_read_parameters"])
def test_no_fault_of_ours_reaches_the_application(pipe, monkeypatch, broken):
    """Where what reads prompts and answers breaks, the application gets what it gets without us."""
    bare = pipe("a b", **ASKED)
    monkeypatch.setattr(ours, broken, lambda *_: 1 / 0)
    instrumentation.switch_on(("transformers",))
    with capture(strict=False):
        assert pipe("a b", **ASKED) == bare
    instrumentation.switch_off(("transformers",))


def test_a_model_from_a_folder(pipe, kept):
    """A model that was loaded from a folder has that folder's name."""
    pipe.model.config._name_or_path = "/data/models/tiny/"
    try:
        pipe("a", **ASKED)
    finally:
        pipe.model.config._name_or_path = "acme/tiny"
    assert kept.spans[0].name == "text_completion tiny"


def test_switched_off(pipe):
    """Pipelines are the library's own again."""
    before = TextGenerationPipeline.__call__, TextGenerationPipeline._forward
    instrumentation.switch_on(("transformers",))
    assert TextGenerationPipeline.__call__ is not before[0]
    instrumentation.switch_off(("transformers",))
    assert (TextGenerationPipeline.__call__, TextGenerationPipeline._forward) == before
