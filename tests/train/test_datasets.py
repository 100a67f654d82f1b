"""Exported datasets in the libraries that they are made for: loaded as they are, and trained on for a step."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS="1")
if not os.environ.get("RLHF_OTEL_TEST_LIBRARIES"):
    pytest.importorskip("trl")
import datasets
import torch
import trl
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    DataCollatorForTokenClassification,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    LlamaForTokenClassification,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)
from trl import (
    DPOConfig,
    DPOTrainer,
    KTOConfig,
    KTOTrainer,
    RewardConfig,
    RewardTrainer,
    SFTConfig,
    SFTTrainer,
)

from rlhf_otel import semconv
from rlhf_otel.steps import encoded
from tests.datasets.conftest import Sessions, text

pytestmark = pytest.mark.filterwarnings("ignore")
TEMPLATE = (
    "{% if tools %}{{ tools | tojson }}{% endif %}"
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}"
    "{% for call in m['tool_calls'] or [] %}{{ call['function'] | tojson }}{% endfor %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TOOLS = {
    "weather": {"type": "object", "properties": {"city": {"type": "string"}}},
    "add": {"type": "object", "properties": {"terms": {"type": "array", "items": {"type": "number"}}}},
}
GIVEN = {"weather": {"city": "Paris"}, "add": {"terms": [1, 2]}}
SIZE = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
TRAINERS = {
    "dpo": (DPOTrainer, DPOConfig),
    "kto": (KTOTrainer, KTOConfig),
    "reward": (RewardTrainer, RewardConfig),
    "sft": (SFTTrainer, SFTConfig),
}


@pytest.fixture(scope="module")
def tokenizer():
    """Every byte is a token."""
    letters = pre_tokenizers.ByteLevel.alphabet()
    words = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(letters)}, merges=[]))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<|end|>", pad_token="<|pad|>")
    made.chat_template = TEMPLATE
    return made


@pytest.fixture
def folder(tmp_path):
    """Where everything goes."""
    return tmp_path


@pytest.fixture
def sessions(folder):
    """Conversations with system prompts, several turns and two different tools; judged in every way."""
    made = Sessions(folder)
    for number in range(8):
        asked = [text("system", "Be brief."), text("user", f"Question {number}")]
        fields = {"session": f"s{number}"}
        if number % 2:
            name = ("weather", "add")[number // 2 % 2]
            call = {"type": "tool_call", "id": "c1", "name": name, "arguments": GIVEN[name]}
            answer = {"type": "tool_call_response", "id": "c1", "response": {"value": 3}}
            asked += [{"role": "assistant", "parts": [call]}, {"role": "tool", "parts": [answer]}]
            fields["tools"] = [{"type": "function", "name": name, "description": name, "parameters": TOOLS[name]}]
        fields["attributes"] = {semconv.STEPS: encoded(["first", "then"])}
        good, bad = (made.call(asked, f"{word} {number}", **fields) for word in ("yes", "no"))
        made.prefer(good, bad, margin=float(number))
        for span, value in ((good, True), (bad, False)):
            made.say(span, value)
            made.say(span, 5 if value else 1, name="quality")
            made.say(span, value, step=0, name="steps")
            made.say(span, True, step=1, name="steps")
    return made


def loaded(made, folder: Path):
    """The rows as `load_dataset` gives them, from the folder as it is."""
    return datasets.load_dataset(str(made.path), split="train", cache_dir=str(folder / "cache"))


def without_unset(value):
    """A row without what the columns of other rows brought into it."""
    if isinstance(value, dict):
        return {key: without_unset(item) for key, item in value.items() if item is not None}
    return [without_unset(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("format", ["dpo", "kto", "reward", "sft", "prm", "openai-dpo", "openai-chat", "jsonl"])
def test_rows_are_loaded_as_they_were_written(sessions, folder, format):
    """`datasets.load_dataset` on the folder gives every row with its columns, and takes no other file for rows."""
    made = sessions.export(format=format, near_duplicates=False)
    rows = [without_unset(row) for row in loaded(made, folder)]
    assert rows == [without_unset(row) for row in made.rows] and rows


@pytest.mark.parametrize("format", ["parquet", "hf"])
def test_tables_are_loaded_as_they_were_written(sessions, folder, format):
    """Parquet and the Hugging Face form hold what the JSON lines hold, and a rebuild is the same to the byte."""
    made, again, plain = (sessions.export(format=name) for name in (format, format, "jsonl"))
    rows = datasets.load_from_disk(str(made.path)) if format == "hf" else loaded(made, folder)
    assert [row["prompt_text"] for row in rows] == [row["prompt_text"] for row in plain.rows]
    assert [json.loads(row["feedback"]) for row in rows] == [row["feedback"] for row in plain.rows]
    assert {path.name: path.read_bytes() for path in made.path.iterdir()} == {
        path.name: path.read_bytes() for path in again.path.iterdir()
    }


@pytest.mark.parametrize("style", ["conversational", "standard"])
@pytest.mark.parametrize("format", TRAINERS)
def test_a_trainer_takes_the_rows_for_a_step(sessions, folder, tokenizer, format, style):
    """TRL's trainer of the format loads the rows without a mapping, and its loss is a number."""
    rows = loaded(sessions.export(format=format, style=style, near_duplicates=False), folder)
    trainer_class, config_class = TRAINERS[format]
    torch.manual_seed(0)
    config = LlamaConfig(
        **SIZE, vocab_size=len(tokenizer), max_position_embeddings=2048, pad_token_id=tokenizer.pad_token_id
    )
    kind = LlamaForSequenceClassification if format == "reward" else LlamaForCausalLM
    config.num_labels = 1
    arguments = config_class(
        output_dir=str(folder / "out"), max_steps=1, per_device_train_batch_size=4, use_cpu=True, bf16=False,
        gradient_checkpointing=False, report_to="none", logging_steps=1, max_length=1024, save_strategy="no",
    )  # fmt: skip
    kind(config).save_pretrained(folder / "model")  # the trainers read it once more, as what to compare with
    model = kind.from_pretrained(folder / "model")
    trainer = trainer_class(model=model, args=arguments, train_dataset=rows, processing_class=tokenizer)
    result = trainer.train()
    assert trainer.state.global_step == 1
    assert result.training_loss == result.training_loss and result.training_loss < float("inf")


def test_the_stepwise_type_is_what_its_documentation_says(sessions, folder):
    """The columns and their types are those of TRL's stepwise supervision."""
    row = loaded(sessions.export(format="prm", near_duplicates=False), folder)[0]
    assert {name: type(value) for name, value in row.items()} == {"prompt": str, "completions": list, "labels": list}
    assert len(row["completions"]) == len(row["labels"]) == 2
    assert {type(label) for label in row["labels"]} == {bool}


def test_a_model_of_steps_is_trained_for_a_step(sessions, folder, tokenizer):
    """TRL has no trainer of stepwise supervision any more; a classifier of each step's last token learns from the rows.

    The day on which TRL has one again, this fails, and that trainer belongs here.
    """
    assert [name for name in dir(trl) if "PRM" in name.upper()] == []
    rows = loaded(sessions.export(format="prm", near_duplicates=False), folder)

    def as_tokens(row):
        ids = tokenizer(row["prompt"])["input_ids"]
        labels = [-100] * len(ids)
        for step, is_right in zip(row["completions"], row["labels"], strict=True):
            added = tokenizer(f"\n{step}")["input_ids"]
            ids += added
            labels += [-100] * (len(added) - 1) + [int(is_right)]
        return {"input_ids": ids, "labels": labels}

    torch.manual_seed(0)
    config = LlamaConfig(**SIZE, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, num_labels=2)
    arguments = TrainingArguments(
        output_dir=str(folder / "out"), max_steps=1, per_device_train_batch_size=4, use_cpu=True, report_to="none",
        save_strategy="no",
    )  # fmt: skip
    trainer = Trainer(
        model=LlamaForTokenClassification(config), args=arguments,
        train_dataset=rows.map(as_tokens, remove_columns=rows.column_names),
        data_collator=DataCollatorForTokenClassification(tokenizer),
    )  # fmt: skip
    assert 0 < trainer.train().training_loss < float("inf")
