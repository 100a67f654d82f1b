"""vllm 0 and 1, offline: `LLM.generate`, `LLM.chat` and `LLM.embed`, in this process.

One call may have many prompts, which the engine works off together: it is one span, with a message for each prompt and
the sums of their tokens. Source: vllm 0.33, `entrypoints/llm.py` and `outputs.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation import parts
from rlhf_otel.instrumentation.methods import Described, Method
from rlhf_otel.instrumentation.providers.openai import Chat
from rlhf_otel.instrumentation.providers.plain import Plain

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.methods import Arguments

_PARAMETERS = {
    "max_tokens": semconv.REQUEST_MAX_TOKENS,
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "seed": semconv.REQUEST_SEED,
    "frequency_penalty": semconv.REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": semconv.REQUEST_PRESENCE_PENALTY,
}


class Generate(Plain):
    """`LLM.generate`: prompts as text, or as tokens, which have no text to read."""

    operation = "text_completion"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads each prompt as one message."""
        _read_prompts(call, body.get("prompts"))

    def response(self, call: Call, result: Any) -> None:
        """Reads the answers to all prompts, and counts their tokens."""
        answers = [answer for request in result for answer in request.outputs]
        call.output = [parts.message("assistant", [parts.text(one.text)], one.finish_reason) for one in answers]
        call.finish_reasons = [one.finish_reason for one in answers if one.finish_reason]
        call.output_tokens = sum(len(one.token_ids) for one in answers)
        _count_prompts(call, result)


class Converse(Generate):
    """`LLM.chat`: one conversation, or several."""

    operation = "chat"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the messages of all conversations, and the tools."""
        given = body.get("messages") or []
        conversations = given if given and isinstance(given[0], list) else [given]
        messages = [message for conversation in conversations for message in conversation]
        Chat().request(call, {"messages": messages, "tools": body.get("tools")})
        call.attributes.pop(semconv.OPENAI_API_TYPE, None)


class Embed(Plain):
    """`LLM.embed`."""

    operation = "embeddings"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads each prompt as one message."""
        _read_prompts(call, body.get("prompts"))

    def response(self, call: Call, result: Any) -> None:
        """Reads the size, and counts the tokens; the vectors stay with the application."""
        if result:
            call.attributes[semconv.EMBEDDINGS_DIMENSION_COUNT] = len(result[0].outputs.embedding)
        _count_prompts(call, result)


def _read_prompts(call: Call, given: Any) -> None:
    prompts = given if isinstance(given, list) else [given]
    texts = (prompt.get("prompt") if isinstance(prompt, Mapping) else prompt for prompt in prompts)
    call.input = [parts.message("user", [parts.text(text)]) for text in texts if isinstance(text, str)]


def _count_prompts(call: Call, result: Any) -> None:
    call.input_tokens = sum(len(request.prompt_token_ids or ()) for request in result)
    cached = [count for request in result if (count := getattr(request, "num_cached_tokens", None)) is not None]
    call.cached_tokens = sum(cached) if cached else None


class VLLM:
    """The provider."""

    package = "vllm"
    versions = (0, 1)
    methods = tuple(
        Method(target=f"vllm.entrypoints.{target}", endpoint=endpoint, in_process=True)
        for target, endpoint in (
            ("llm:LLM.generate", Generate()),
            ("llm:LLM.chat", Converse()),
            ("llm:LLM.embed", Embed()),
            ("pooling.offline:PoolingOfflineMixin.embed", Embed()),  # where newer versions have it
        )
    )

    def describe(self, instance: Any, arguments: Arguments) -> Described:
        """The model that was loaded; and what it is sampled with, which is no JSON."""
        config = getattr(instance, "model_config", None)
        config = config or getattr(getattr(instance, "llm_engine", None), "model_config", None)
        given = arguments.get("sampling_params")
        attributes = {
            key: value for name, key in _PARAMETERS.items() if (value := getattr(given, name, None)) is not None
        }
        if (top_k := getattr(given, "top_k", None)) is not None and top_k > 0:
            attributes[semconv.REQUEST_TOP_K] = top_k
        if (n := getattr(given, "n", None)) not in (None, 1):
            attributes[semconv.REQUEST_CHOICE_COUNT] = n
        if stop := getattr(given, "stop", None):
            attributes[semconv.REQUEST_STOP_SEQUENCES] = [stop] if isinstance(stop, str) else list(stop)
        return Described(provider="vllm", model=getattr(config, "model", None), attributes=attributes)


provider = VLLM()
