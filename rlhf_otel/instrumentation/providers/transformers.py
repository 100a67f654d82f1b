"""transformers 4 and 5: text-generation pipelines, in this process.

A call with many prompts or conversations is one span. Prompts that a generator or a data set has yet to yield are the
library's to draw, one by one and as the application asks for answers: such a call is passed by.
Tokens are counted from the shapes of what goes into the model and comes out of it.
Source: `pipelines/text_generation.py` and `pipelines/base.py` of transformers 4.57 and 5.24.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation import parts, under_way
from rlhf_otel.instrumentation.methods import Described, Method
from rlhf_otel.instrumentation.providers.openai import Chat, read_message
from rlhf_otel.instrumentation.providers.plain import Plain

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.methods import Arguments
    from rlhf_otel.records import Message

_PIPELINE = "transformers.pipelines.text_generation:TextGenerationPipeline"
_PARAMETERS = {
    "max_new_tokens": semconv.REQUEST_MAX_TOKENS,
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "top_k": semconv.REQUEST_TOP_K,
}


class Completions(Plain):
    """Prompts of text.

    Attributes:
        prompts: of this call; answers may begin with them.
        repeats: whether they do.
        asked: the tokens of each batch that went into the model.
        made: the tokens that came out of it, None where they cannot be told from padding.
    """

    operation = "text_completion"

    def __init__(self, prompts: Sequence[Any], repeats: bool) -> None:
        self.prompts, self.repeats = prompts, repeats
        self.asked: list[int] = []
        self.made: list[int | None] = []

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads each prompt as one message."""
        _read_parameters(call, body)
        call.input = [parts.message("user", [parts.text(prompt)]) for prompt in _listed(body.get("text_inputs"))]

    def response(self, call: Call, result: Any) -> None:
        """Reads the answers to all prompts; of answers that are tokens there is nothing to read."""
        answers = result if result and isinstance(result[0], list) else [result]
        call.output = [
            self.message(prompt, record["generated_text"])
            for prompt, records in zip(self.prompts, answers, strict=False)
            for record in records
            if "generated_text" in record
        ]
        call.input_tokens = sum(self.asked) if self.asked else None
        call.output_tokens = sum(filter(None, self.made)) if self.made and None not in self.made else None

    def message(self, prompt: Any, text: Any) -> Message:
        """What the model has added to a prompt."""
        return parts.message("assistant", [parts.text(_without(prompt, text) if self.repeats else text)])


class Conversations(Completions):
    """Conversations: lists of messages, each with a role and its content."""

    operation = "chat"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the messages of all conversations, and the tools."""
        _read_parameters(call, body)
        given = _conversations(body.get("text_inputs"))
        messages = [_by_usual_names(message) for conversation in given for message in conversation]
        Chat().request(call, {"messages": messages, "tools": body.get("tools")})
        call.attributes.pop(semconv.OPENAI_API_TYPE, None)

    def message(self, prompt: Any, text: Any) -> Message:
        """The message that the model has added, or what it has added to the last one of its own."""
        if not self.repeats:
            return parts.message("assistant", [parts.text(text)])
        made = _by_usual_names(text[-1])
        if len(text) == len(prompt):
            made["content"] = _without(prompt[-1]["content"], made["content"])
        return read_message(made)


def _read_parameters(call: Call, body: Mapping[str, Any]) -> None:
    for name, key in _PARAMETERS.items():
        if (value := body.get(name)) is not None:
            call.attributes[key] = value
    if (stop := body.get("stop_sequence")) is not None:
        call.attributes[semconv.REQUEST_STOP_SEQUENCES] = _listed(stop)
    if (n := body.get("num_return_sequences")) not in (None, 1):
        call.attributes[semconv.REQUEST_CHOICE_COUNT] = n


def _by_usual_names(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message whose reasoning is called as most call it."""
    return {("reasoning_content" if key == "thinking" else key): value for key, value in message.items()}


def _listed(given: Any) -> list[Any]:
    return [given] if isinstance(given, str) else list(given or ())


def _conversations(given: Any) -> list[Any]:
    """One conversation as a list of it alone; a prompt of text is none."""
    if not isinstance(given, list | tuple) or not given:
        return []
    if isinstance(given[0], Mapping):
        return [given]
    return list(given) if isinstance(given[0], list | tuple) else []


def _without(prompt: Any, text: Any) -> Any:
    """An answer without the prompt that it begins with."""
    return text.removeprefix(prompt) if isinstance(text, str) and isinstance(prompt, str) else text


# --- Which readers, and the tokens ----------------------------------------------------------------------------------


def _readers(instance: Any, arguments: Arguments) -> Completions | None:
    """The readers of one call, which know its prompts; None for prompts that are still to be drawn."""
    given = arguments.get("text_inputs")
    if not isinstance(given, str | list | tuple):
        return None
    repeats = _repeats(instance, arguments)
    if conversations := _conversations(given):
        return Conversations([list(messages) for messages in conversations], repeats)
    return Completions(_listed(given), repeats)


def _repeats(instance: Any, arguments: Arguments) -> bool:
    """Whether answers begin with their prompts, as is usual; what a call says goes before what the pipeline says."""
    kind = arguments.get("return_type")
    if kind is None and (full := arguments.get("return_full_text")) is not None:
        return bool(full)
    if kind is None:
        kind = getattr(instance, "_postprocess_params", {}).get("return_type")
    return getattr(kind, "name", "FULL_TEXT") == "FULL_TEXT"


def _counting(original: Any) -> Any:
    """The step that runs the model on one batch, which also counts the tokens of the call that it belongs to."""

    @functools.wraps(original)
    def _forward(self: Any, model_inputs: Any, *args: Any, **options: Any) -> Any:
        call = under_way.current.get()
        if call is None or not isinstance(call.endpoint, Completions):
            return original(self, model_inputs, *args, **options)
        asked = model_inputs
        made = original(self, model_inputs, *args, **options)
        call.read(_count, self, asked, options, made)
        return made

    return _forward


def _count(call: Call, pipeline: Any, asked: Any, options: Mapping[str, Any], made: Any) -> None:
    readers: Any = call.endpoint
    mask, prompt = asked.get("attention_mask"), made["input_ids"]
    readers.asked.append(int(mask.sum()) if mask is not None else 0 if prompt is None else prompt.numel())
    start = 1 if prompt is None else prompt.shape[-1]  # without a prompt it begins with one token that stands for it
    rows = made["generated_sequence"][..., start:].reshape(-1, made["generated_sequence"].shape[-1] - start)
    readers.made.append(_without_padding(pipeline, options, rows.tolist()))


def _without_padding(pipeline: Any, options: Mapping[str, Any], rows: list[list[int]]) -> int | None:
    """The tokens that the model made: of answers that ended before others, not what fills them up.

    None where an answer ended with a sequence of the application's, as its filling may be the token of an end.
    """
    if len(rows) == 1:
        return len(rows[0])
    settings = options.get("generation_config") or getattr(pipeline.model, "generation_config", None)
    ends = {*_ids(settings, options, "eos_token_id")}
    fillings = {*ends, *_ids(settings, options, "pad_token_id"), pipeline.tokenizer.pad_token_id}
    total = 0
    for row in rows:
        last = row[-1] if row else None
        filling = len(list(itertools.takewhile(last.__eq__, reversed(row)))) if last in fillings else 0
        if filling and last in ends and "stop_strings" in options:
            return None
        total += len(row) - filling + (1 if filling and last in ends else 0)
    return total


def _ids(settings: Any, options: Mapping[str, Any], name: str) -> Iterable[int]:
    found = options.get(name, getattr(settings, name, None))
    return () if found is None else [found] if isinstance(found, int) else found


class Transformers:
    """The provider."""

    package = "transformers"
    versions = (4, 5)
    methods = (Method(target=f"{_PIPELINE}.__call__", endpoint=_readers, in_process=True),)
    also: Mapping[str, Callable[[Any], Any]] = {f"{_PIPELINE}._forward": _counting}

    def describe(self, instance: Any, arguments: Arguments) -> Described:
        """The model's name; of one that was loaded from a folder, that folder's own."""
        name = getattr(getattr(getattr(instance, "model", None), "config", None), "_name_or_path", None)
        name = str(name).rstrip("/\\") if name else None
        if name and (os.path.isabs(name) or name.startswith(".")):  # noqa: PTH117 - a name, and perhaps no path at all
            name = name.replace("\\", "/").rpartition("/")[2]
        return Described(provider="transformers", model=name)


provider = Transformers()
