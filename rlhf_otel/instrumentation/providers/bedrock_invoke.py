"""The bodies of Bedrock's `invoke_model`: each family of models has its own.

Which one is told by the model's id, or by what the body has where the id is that of a profile or of one's own model.
Sources: the inference parameters of each family in Amazon's guide; the wire formats of Anthropic and OpenAI.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation import bodies
from rlhf_otel.instrumentation.providers.anthropic import Messages
from rlhf_otel.instrumentation.providers.bedrock_content import Conversation
from rlhf_otel.instrumentation.providers.bedrock_prompts import (
    Cohere,
    CohereEmbeddings,
    Llama,
    Mistral,
    Titan,
    TitanEmbeddings,
)
from rlhf_otel.instrumentation.providers.openai import Chat

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.endpoint import Endpoint


class Nova(Conversation):
    """Amazon's Nova: the messages of the Converse API."""

    def response(self, call: Call, result: Any) -> None:
        """Reads the answer and the usage."""
        super().response(call, bodies.plain(result))

    def chunk(self, call: Call, state: Any, chunk: Any) -> None:
        """Reads one event."""
        super().chunk(call, state, bodies.plain(chunk))


class OpenAILike(Chat):
    """Families that speak OpenAI's chat completions, and Mistral's older models, which nearly do."""

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads what was asked."""
        super().request(call, body)
        del call.attributes[semconv.OPENAI_API_TYPE]

    def response(self, call: Call, result: Any) -> None:
        """Reads the answer."""
        request_id = call.response_id
        super().response(call, _alike(result))
        call.response_id = call.response_id or request_id

    def chunk(self, call: Call, state: Any, chunk: Any) -> None:
        """Reads one chunk."""
        super().chunk(call, state, _alike(chunk))


def _alike(result: Any) -> Any:
    for choice in result.choices or ():
        choice.finish_reason = choice.finish_reason or choice.stop_reason
        choice.delta = choice.delta or choice.message
    return result


_FAMILIES: Mapping[str, Endpoint] = {
    "anthropic": Messages(),
    "amazon.nova": Nova(),
    "amazon.titan-embed": TitanEmbeddings(),
    "amazon.titan": Titan(),
    "meta": Llama(),
    "cohere.embed": CohereEmbeddings(),
    "cohere": Cohere(),
}
_MISTRAL, _ALIKE = Mistral(), OpenAILike()
_NAMES = re.compile(rf"(?:^|[./:])({'|'.join(map(re.escape, _FAMILIES))})[.-]")


def family(model: str, body: Any) -> Endpoint:
    """The readers of a model's bodies."""
    if (named := _NAMES.search(model)) is not None:
        return _FAMILIES[named[1]]
    asked = json.loads(body) if isinstance(body, str | bytes) else {}
    if "anthropic_version" in asked:
        return _FAMILIES["anthropic"]
    if "inferenceConfig" in asked or "schemaVersion" in asked:
        return _FAMILIES["amazon.nova"]
    if "inputText" in asked:
        return _FAMILIES["amazon.titan"]
    if "max_gen_len" in asked:
        return _FAMILIES["meta"]
    return _MISTRAL if "prompt" in asked else _ALIKE


def piece(payload: bytes) -> Any:
    """What one event of a stream holds, as the model's own JSON."""
    held = json.loads(payload).get("bytes")
    return bodies.lenient(base64.b64decode(held)) if held else None


def read_metrics(call: Call, chunk: Any) -> None:
    """Reads what Bedrock adds to a stream's last piece, for models that count nothing themselves."""
    if (metrics := vars(chunk).get("amazon-bedrock-invocationMetrics")) is not None:
        _count(call, metrics.inputTokenCount, metrics.outputTokenCount)


def read_headers(call: Call, headers: Mapping[str, str]) -> None:
    """Reads what Bedrock counts in the headers; the body may know better, and comes later."""
    counts = (headers.get(f"x-amzn-bedrock-{side}-token-count", "") for side in ("input", "output"))
    _count(call, *(int(count) if count.isdigit() else None for count in counts))


def _count(call: Call, asked: int | None, answered: int | None) -> None:
    call.input_tokens = asked if call.input_tokens is None else call.input_tokens
    call.output_tokens = answered if call.output_tokens is None else call.output_tokens
