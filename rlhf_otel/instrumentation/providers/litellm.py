"""litellm 1: a gateway. What it hands to the openai SDK is recorded there; what it asks over HTTP itself, here.

Results have OpenAI's shapes, whoever answers. Sources: litellm 1.110, its functions and its table of models.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation.bodies import member
from rlhf_otel.instrumentation.methods import Described, Method
from rlhf_otel.instrumentation.providers import openai
from rlhf_otel.instrumentation.providers.openai_dialects import read_usage
from rlhf_otel.instrumentation.providers.openai_responses import Responses
from rlhf_otel.instrumentation.providers.plain import Plain

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.methods import Arguments

_NAMES = {
    "azure": "azure.ai.openai", "azure_ai": "azure.ai.inference", "azure_text": "azure.ai.openai",
    "bedrock": "aws.bedrock", "bedrock_converse": "aws.bedrock", "sagemaker": "aws.sagemaker",
    "vertex_ai": "gcp.vertex_ai", "vertex_ai_beta": "gcp.vertex_ai", "gemini": "gcp.gemini",
    "text-completion-openai": "openai", "anthropic_text": "anthropic", "cohere_chat": "cohere",
    "mistral": "mistral_ai", "codestral": "mistral_ai", "xai": "x_ai", "moonshot": "moonshot_ai",
    "watsonx": "ibm.watsonx.ai", "watsonx_text": "ibm.watsonx.ai", "together_ai": "together",
    "fireworks_ai": "fireworks", "nvidia_nim": "nvidia", "ollama_chat": "ollama",
}  # fmt: skip
"""litellm's name of who answers -> the conventions', where they differ."""


class Chat(openai.Chat):
    """`completion` and `acompletion`."""

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads what was asked."""
        super().request(call, body)
        call.attributes.pop(semconv.OPENAI_API_TYPE, None)

    def response(self, call: Call, result: Any) -> None:
        """Reads every choice and the usage; with the cost of caching, which not all providers have."""
        super().response(call, result)
        read_cache(call, getattr(result, "usage", None))

    def chunk(self, call: Call, state: Any, chunk: Any) -> None:
        """Reads the deltas of every choice, and the usage where there is one."""
        super().chunk(call, state, chunk if hasattr(chunk, "usage") else _Chunk(chunk))

    def exhausted(self, call: Call, stream: Any) -> None:
        """Reads the usage, which litellm keeps from the application unless it was asked for."""
        read_kept_usage(call, stream)


class _Chunk:
    """A chunk of litellm's that has no usage, as one that has none."""

    usage = None

    def __init__(self, chunk: Any) -> None:
        self._chunk = chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chunk, name)


class Completions(openai.Completions):
    """`text_completion` and `atext_completion`."""

    def chunk(self, call: Call, state: Any, chunk: Any) -> None:
        """Reads the text of every choice."""
        super().chunk(call, state, chunk if hasattr(chunk, "usage") else _Chunk(chunk))

    def exhausted(self, call: Call, stream: Any) -> None:
        """Reads the usage of the chat that it may have been made from."""
        read_kept_usage(call, getattr(stream, "completion_stream", stream))


class Embeddings(Plain):
    """`embedding` and `aembedding`."""

    operation = "embeddings"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the texts and the parameters."""
        openai.Embeddings().request(call, body)

    def response(self, call: Call, result: Any) -> None:
        """Reads model and usage; the vectors stay with the application."""
        call.response_model = result.model
        read_usage(call, result.usage)
        call.output_tokens = None  # litellm says 0
        first = result.data[0] if result.data else None
        vector = first.get("embedding") if isinstance(first, Mapping) else getattr(first, "embedding", None)
        if isinstance(vector, list):
            call.attributes[semconv.EMBEDDINGS_DIMENSION_COUNT] = len(vector)


def read_kept_usage(call: Call, stream: Any) -> None:
    """Reads the usage of the chunks that litellm has kept: some tell of the input, later ones of the output."""
    for chunk in getattr(stream, "chunks", None) or ():
        if (usage := getattr(chunk, "usage", None)) is not None:
            asked, answered = call.input_tokens, call.output_tokens
            read_usage(call, usage)
            call.input_tokens, call.output_tokens = call.input_tokens or asked, call.output_tokens or answered
            read_cache(call, usage)


def read_cache(call: Call, usage: Any) -> None:
    """Reads what was written to the cache, which litellm counts within the input."""
    details = member(usage, "prompt_tokens_details")
    written = getattr(details, "cache_creation_tokens", None) or getattr(usage, "cache_creation_input_tokens", None)
    if written:
        call.cache_write_tokens = written


class LiteLLM:
    """The provider."""

    package = "litellm"
    versions = (1, 1)
    is_gateway = True
    methods = tuple(
        Method(target=f"litellm:{prefix}{name}", endpoint=endpoint, stream="stream")
        for name, endpoint in (
            ("completion", Chat()), ("text_completion", Completions()), ("embedding", Embeddings()),
            ("responses", Responses()),
        )
        for prefix in ("", "a")
    )  # fmt: skip
    streams = (
        "litellm.litellm_core_utils.streaming_handler:CustomStreamWrapper",
        "litellm.text_completions.streaming_iterator:TextCompletionStreamWrapper",
        "litellm.responses.streaming_iterator:ResponsesAPIStreamingIterator",
        "litellm.responses.streaming_iterator:SyncResponsesAPIStreamingIterator",
        "litellm.responses.streaming_iterator:MockResponsesAPIStreamingIterator",
        "litellm.responses.litellm_completion_transformation.streaming_iterator:LiteLLMCompletionStreamingIterator",
    )

    def describe(self, instance: Any, arguments: Arguments) -> Described:
        """Who answers, by litellm's own rules as far as they cost nothing; a model is named without its provider."""
        model = arguments.get("model") or next(iter(arguments.get("args") or ()), None)
        if not isinstance(model, str):
            return Described(provider="litellm")
        litellm = sys.modules["litellm"]
        provider, _, rest = model.partition("/")
        if (given := arguments.get("custom_llm_provider")) is None and rest and provider in litellm.provider_list:
            return Described(provider=_NAMES.get(provider, provider), model=rest)
        known = given or (litellm.model_cost.get(model) or {}).get("litellm_provider") or "litellm"
        return Described(provider=_NAMES.get(known, known.partition("-")[0]), model=model)

    def raised(self, call: Call, error: BaseException) -> None:
        """Reads the status of what was refused."""
        status = getattr(error, "status_code", None)
        call.status_code = status if isinstance(status, int) else None


provider = LiteLLM()
