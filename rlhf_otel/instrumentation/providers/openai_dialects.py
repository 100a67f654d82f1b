"""What servers that speak OpenAI's format say in their own ways: reasoning, content in parts, usage.

Sources: the API references of DeepSeek, Mistral, Moonshot, OpenRouter, Groq, xAI and Perplexity, and what vLLM, Ollama
and LM Studio send.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation.bodies import count_of, member, plain

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call


def thought_of(message: Any) -> str | None:
    """The reasoning in a delta or a message: by any of its names, typed by the SDK or not."""
    for held in (vars(message), getattr(message, "__pydantic_extra__", None) or {}):
        if thought := thought_in(held):
            return thought
    return None


def thought_in(held: Mapping[str, Any]) -> str | None:
    """The same in a mapping, such as a message that the application sends back."""
    for name in ("reasoning_content", "reasoning"):
        if isinstance(thought := held.get(name), str) and thought:
            return thought
    if (told := held.get("reasoning_details")) is None or not isinstance(details := plain(told), list):
        return None  # and what is encrypted has neither text nor summary
    return "".join(str(d.get("text") or d.get("summary") or "") for d in details if isinstance(d, Mapping)) or None


def split(content: Any) -> tuple[str, str]:
    """Text and reasoning of content that comes in parts, as Mistral's models with reasoning send it."""
    listed = content if isinstance(content, list) else []
    made = [part for part in plain(listed) if isinstance(part, Mapping)]
    thoughts = [part.get("thinking") for part in made if part.get("type") == "thinking"]
    return _joined(made), "".join(t if isinstance(t, str) else _joined(t or ()) for t in thoughts)


def _joined(parts: Iterable[Any]) -> str:
    return "".join(str(part.get("text") or "") for part in parts if isinstance(part, Mapping))


_INPUTS = {
    "text_tokens": semconv.USAGE_TEXT_INPUT_TOKENS,
    "image_tokens": semconv.USAGE_IMAGE_INPUT_TOKENS,
    "audio_tokens": semconv.USAGE_AUDIO_INPUT_TOKENS,
}
_OUTPUTS = {
    "text_tokens": semconv.USAGE_TEXT_OUTPUT_TOKENS,
    "image_tokens": semconv.USAGE_IMAGE_OUTPUT_TOKENS,
    "audio_tokens": semconv.USAGE_AUDIO_OUTPUT_TOKENS,
}


def read_modalities(call: Call, given: Any, made: Any) -> None:
    """Reads what the tokens of the input and of the output stand for, from the details of a usage."""
    for names, details in ((_INPUTS, given), (_OUTPUTS, made)):
        for name, key in names.items():
            if (count := count_of(getattr(details, name, None)) or 0) > 0:
                call.attributes[key] = count


def read_usage(call: Call, usage: Any) -> None:
    """Reads token counts; cached and reasoning tokens are parts of the totals."""
    if usage is None:
        return
    call.input_tokens = count_of(getattr(usage, "prompt_tokens", None))
    call.output_tokens = count_of(getattr(usage, "completion_tokens", None))
    given, made = member(usage, "prompt_tokens_details"), member(usage, "completion_tokens_details")
    if given is not None:
        call.cached_tokens = count_of(given.cached_tokens)
    if made is not None:
        call.reasoning_tokens = count_of(made.reasoning_tokens)
    read_modalities(call, given, made)
    if own := getattr(usage, "__pydantic_extra__", None):
        _read_own_usage(call, own)
    _include_reasoning(call, getattr(usage, "total_tokens", None))


def _read_own_usage(call: Call, own: Mapping[str, Any]) -> None:
    """Reads what OpenAI's usage does not have."""
    if call.cached_tokens is None:
        call.cached_tokens = count_of(own.get("prompt_cache_hit_tokens", own.get("cached_tokens")))
    if call.reasoning_tokens is None:
        call.reasoning_tokens = count_of(own.get("reasoning_tokens"))
    cost = plain(own.get("cost"))
    cost = cost.get("total_cost") if isinstance(cost, Mapping) else cost
    if isinstance(cost, int | float):
        call.attributes[semconv.USAGE_COST] = float(cost)


def _include_reasoning(call: Call, total: Any) -> None:
    """xAI counts reasoning beside the output, which its total gives away; by the conventions it is within."""
    given, made, thought = call.input_tokens, call.output_tokens, call.reasoning_tokens
    if thought and made is not None and given is not None and count_of(total) == given + made + thought:
        call.output_tokens = made + thought


def read_last_usage(call: Call, chunk: Any) -> None:
    """Reads the usage that Groq puts into a field of its own in the last chunk of a stream."""
    if call.output_tokens is None and (own := member(chunk, "x_groq")) is not None:
        read_usage(call, member(own, "usage"))
