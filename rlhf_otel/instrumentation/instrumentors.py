"""The classes that `opentelemetry-instrument` finds, and that people wire by hand.

Used by hand they write to the providers that they are given, or to the global ones, and capture content only as
`OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` says.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from rlhf_otel import hooks, instrumentation


class _Instrumentor(BaseInstrumentor):  # type: ignore[misc]
    """For one client library. `instrument()` takes `tracer_provider`, `meter_provider` and `logger_provider`."""

    package: str
    requirement: str

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions that are supported."""
        return (self.requirement,)

    def _instrument(self, **kwargs: Any) -> None:
        assert hooks.connect is not None  # importing the package set it
        telemetry = hooks.connect(
            tracer_provider=kwargs.get("tracer_provider"),
            meter_provider=kwargs.get("meter_provider"),
            logger_provider=kwargs.get("logger_provider"),
        )
        instrumentation.switch_on((self.package,), telemetry)

    def _uninstrument(self, **kwargs: Any) -> None:
        instrumentation.switch_off((self.package,))


class OpenAIInstrumentor(_Instrumentor):
    """Instruments openai 1 to 3."""

    package, requirement = "openai", "openai >= 1.0, < 4"


class AnthropicInstrumentor(_Instrumentor):
    """Instruments anthropic 0 to 2."""

    package, requirement = "anthropic", "anthropic >= 0.16, < 3"


class GroqInstrumentor(_Instrumentor):
    """Instruments groq 0 and 1."""

    package, requirement = "groq", "groq >= 0.13, < 2"


class TogetherInstrumentor(_Instrumentor):
    """Instruments together 2 and 3."""

    package, requirement = "together", "together >= 2.0, < 4"


class CerebrasInstrumentor(_Instrumentor):
    """Instruments cerebras-cloud-sdk 1."""

    package, requirement = "cerebras.cloud.sdk", "cerebras-cloud-sdk >= 1.0, < 2"


class FireworksInstrumentor(_Instrumentor):
    """Instruments fireworks-ai 1."""

    package, requirement = "fireworks", "fireworks-ai >= 1.0, < 2"


class SambaNovaInstrumentor(_Instrumentor):
    """Instruments sambanova 1."""

    package, requirement = "sambanova", "sambanova >= 1.0, < 2"


class BedrockInstrumentor(_Instrumentor):
    """Instruments boto3 1, its Bedrock runtime."""

    package, requirement = "bedrock", "botocore >= 1.34, < 2"


class AioBotocoreInstrumentor(_Instrumentor):
    """Instruments aiobotocore 2 and 3, its Bedrock runtime."""

    package, requirement = "aiobotocore", "aiobotocore >= 2.12, < 4"


class GoogleGenAIInstrumentor(_Instrumentor):
    """Instruments google-genai 1 to 3."""

    package, requirement = "google.genai", "google-genai >= 1.0, < 4"


class MistralAIInstrumentor(_Instrumentor):
    """Instruments mistralai 2 and 3."""

    package, requirement = "mistralai", "mistralai >= 2.0, < 4"


class OllamaInstrumentor(_Instrumentor):
    """Instruments ollama 0."""

    package, requirement = "ollama", "ollama >= 0.4, < 1"


class CohereInstrumentor(_Instrumentor):
    """Instruments cohere 5 to 7."""

    package, requirement = "cohere", "cohere >= 5.0, < 8"


class LiteLLMInstrumentor(_Instrumentor):
    """Instruments litellm 1."""

    package, requirement = "litellm", "litellm >= 1.40, < 2"


class HuggingFaceInstrumentor(_Instrumentor):
    """Instruments huggingface_hub 0 to 2, its inference clients."""

    package, requirement = "huggingface_hub", "huggingface_hub >= 0.26, < 3"


class VLLMInstrumentor(_Instrumentor):
    """Instruments vllm 0 and 1, offline."""

    package, requirement = "vllm", "vllm >= 0.8, < 2"


class LlamaCppInstrumentor(_Instrumentor):
    """Instruments llama-cpp-python 0 and 1."""

    package, requirement = "llama_cpp", "llama-cpp-python >= 0.2, < 2"


class TransformersInstrumentor(_Instrumentor):
    """Instruments transformers 4 and 5, their text-generation pipelines."""

    package, requirement = "transformers", "transformers >= 4.45, < 6"
