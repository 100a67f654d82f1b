"""huggingface_hub 0 to 2: the inference clients, whoever answers them.

Sources: the clients of huggingface_hub 2.4 and the types that they read answers with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation import parts
from rlhf_otel.instrumentation.methods import Described, Method, server
from rlhf_otel.instrumentation.providers import openai
from rlhf_otel.instrumentation.providers.plain import Plain

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.methods import Arguments

_PARAMETERS = {
    "max_new_tokens": semconv.REQUEST_MAX_TOKENS,
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "top_k": semconv.REQUEST_TOP_K,
    "seed": semconv.REQUEST_SEED,
    "frequency_penalty": semconv.REQUEST_FREQUENCY_PENALTY,
}
_NAMES = {"fireworks-ai": "fireworks", "nvidia": "nvidia", "zai-org": "z_ai", "featherless-ai": "featherless"}
"""What the hub calls who answers -> the conventions' or our name, where they differ."""


class Chat(openai.Chat):
    """`chat_completion`, which is `chat.completions.create` too."""

    marks_end = False  # many services answer, some give no reason to end, and the library keeps `[DONE]` to itself

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads what was asked."""
        super().request(call, body)
        call.attributes.pop(semconv.OPENAI_API_TYPE, None)


class TextGeneration:
    """`text_generation`: text, or with `details=True` an object that counts."""

    operation = "text_completion"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the parameters and the prompt."""
        for name, key in _PARAMETERS.items():
            if (value := body.get(name)) is not None:
                call.attributes[key] = value
        if stop := body.get("stop"):
            call.attributes[semconv.REQUEST_STOP_SEQUENCES] = list(stop)
        call.input = [parts.message("user", [parts.text(body.get("prompt"))])]

    def response(self, call: Call, result: Any) -> None:
        """Reads the text, and the details where they were asked for."""
        if isinstance(result, str):
            call.output = [parts.message("assistant", [parts.text(result)])]
            return
        details = result.details
        reason = _read_details(call, details)
        if details is not None and details.prefill:
            call.input_tokens = len(details.prefill)
        call.output = [parts.message("assistant", [parts.text(result.generated_text)], reason)]

    def new_state(self) -> dict[str, Any]:
        """The pieces so far, and how it ended."""
        return {"pieces": [], "reason": None}

    def chunk(self, call: Call, state: dict[str, Any], chunk: Any) -> None:
        """Reads a piece of text, or a token with its details."""
        if isinstance(chunk, str):
            piece = chunk
        else:
            piece = "" if chunk.token is None or chunk.token.special else chunk.token.text
            if chunk.details is not None:
                state["reason"] = _read_details(call, chunk.details)
                call.input_tokens = chunk.details.input_length
                call.complete = True
        if piece:
            parts.gather(state["pieces"], piece)
            call.token()

    def end(self, call: Call, state: dict[str, Any]) -> None:
        """Joins the pieces."""
        call.output = [parts.message("assistant", [parts.text("".join(state["pieces"]))], state["reason"])]


def _read_details(call: Call, details: Any) -> str | None:
    if details is None:
        return None
    call.output_tokens = details.generated_tokens
    reason: str | None = details.finish_reason
    call.finish_reasons = [reason] if reason else []
    return reason


class FeatureExtraction(Plain):
    """`feature_extraction`: embeddings."""

    operation = "embeddings"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the texts."""
        given = body.get("text")
        texts = given if isinstance(given, list) else [given]
        call.input = [parts.message("user", [parts.text(text)]) for text in texts]

    def response(self, call: Call, result: Any) -> None:
        """Reads the size; the vectors stay with the application."""
        if shape := getattr(result, "shape", None):
            call.attributes[semconv.EMBEDDINGS_DIMENSION_COUNT] = shape[-1]


class HuggingFace:
    """The provider."""

    package = "huggingface_hub"
    versions = (0, 2)
    methods = tuple(
        Method(target=f"huggingface_hub.inference.{client}.{name}", endpoint=endpoint, stream=stream)
        for client in ("_client:InferenceClient", "_generated._async_client:AsyncInferenceClient")
        for name, endpoint, stream in (
            ("chat_completion", Chat(), "stream"),
            ("text_generation", TextGeneration(), "stream"),
            ("feature_extraction", FeatureExtraction(), False),
        )
    )

    def describe(self, instance: Any, arguments: Arguments) -> Described:
        """Who answers, as far as the client was told; a model may be given as an address."""
        own = instance.model or ""
        url = own if "://" in own else ""
        told = getattr(instance, "provider", None) or "auto"
        name = "huggingface" if url or told in ("auto", "hf-inference") else _NAMES.get(told, told)
        model = arguments.get("model") or own
        return Described(provider=name, model=None if "://" in model else model or None, attributes=server(url))

    def raised(self, call: Call, error: BaseException) -> None:
        """Reads the status of what was refused."""
        call.status_code = getattr(getattr(error, "response", None), "status_code", None)


provider = HuggingFace()
