"""llama-cpp-python 0 and 1: a model in this process, whose answers have OpenAI's shapes as plain dicts.

A stream of it says nothing of usage, and then neither does its span. Source: `Llama` in llama_cpp/llama.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation.bodies import readable
from rlhf_otel.instrumentation.methods import Described, Method
from rlhf_otel.instrumentation.providers import openai

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.methods import Arguments


class Chat(openai.Chat):
    """`create_chat_completion`."""

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads what was asked."""
        super().request(call, body)
        _read_own(call, body)

    def response(self, call: Call, result: Any) -> None:
        """Reads every choice and the usage."""
        super().response(call, readable(result))

    def chunk(self, call: Call, state: Any, chunk: Any) -> None:
        """Reads the deltas."""
        super().chunk(call, state, readable(chunk))


class Completions(openai.Completions):
    """`create_completion`, and the model called as a function."""

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads what was asked; a prompt of tokens has no text to read."""
        super().request(call, body)
        _read_own(call, body)

    def response(self, call: Call, result: Any) -> None:
        """Reads every choice and the usage."""
        super().response(call, readable(result))

    def chunk(self, call: Call, state: Any, chunk: Any) -> None:
        """Reads the text."""
        super().chunk(call, state, readable(chunk))


class Embeddings(openai.Embeddings):
    """`create_embedding`."""

    def response(self, call: Call, result: Any) -> None:
        """Reads model, size and usage; the vectors stay with the application."""
        super().response(call, readable(result))
        vectors = result["data"][0]["embedding"] if result.get("data") else ()
        if vectors and isinstance(vectors[0], list):  # one for each token, of a model that does not pool them
            call.attributes[semconv.EMBEDDINGS_DIMENSION_COUNT] = len(vectors[0])


def _read_own(call: Call, body: Mapping[str, Any]) -> None:
    call.attributes.pop(semconv.OPENAI_API_TYPE, None)
    if (top_k := body.get("top_k")) is not None:
        call.attributes[semconv.REQUEST_TOP_K] = top_k


class LlamaCpp:
    """The provider."""

    package = "llama_cpp"
    versions = (0, 1)
    methods = tuple(
        Method(target=f"llama_cpp.llama:Llama.{name}", endpoint=endpoint, stream="stream", in_process=True)
        for name, endpoint in (
            ("create_chat_completion", Chat()),
            ("create_completion", Completions()),
            ("__call__", Completions()),
            ("create_embedding", Embeddings()),
        )
    )

    def describe(self, instance: Any, arguments: Arguments) -> Described:
        """The name of the model's file, without the folders that it lies in."""
        path = arguments.get("model") or getattr(instance, "model_path", None)
        name = str(path).replace("\\", "/").rpartition("/")[2] if path else None
        return Described(provider="llama_cpp", model=name)


provider = LlamaCpp()
