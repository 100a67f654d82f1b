"""The GenAI conventions as they were before: other names, and content in events of the span."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlhf_otel import semconv as s
from rlhf_otel.codec import parse_json
from rlhf_otel.records import Message
from rlhf_otel.store.dialects.speech import Speech, message_of, messages_of

_NAMES = {
    "gen_ai.system": s.PROVIDER_NAME,
    "gen_ai.usage.prompt_tokens": s.USAGE_INPUT_TOKENS,
    "gen_ai.usage.completion_tokens": s.USAGE_OUTPUT_TOKENS,
    "gen_ai.usage.cache_creation.input_tokens": s.USAGE_CACHE_WRITE_INPUT_TOKENS,
    "gen_ai.usage.cache_creation_input_tokens": s.USAGE_CACHE_WRITE_INPUT_TOKENS,
    "gen_ai.usage.cache_read_input_tokens": s.USAGE_CACHE_READ_INPUT_TOKENS,
    "gen_ai.usage.reasoning_tokens": s.USAGE_REASONING_OUTPUT_TOKENS,
    "gen_ai.usage.cost": s.USAGE_COST,
    "gen_ai.server.time_to_first_token": s.TIME_TO_FIRST_TOKEN,
    "gen_ai.request.user": s.ENDUSER_ID,
    "gen_ai.openai.request.seed": s.REQUEST_SEED,
    "gen_ai.openai.request.response_format": s.OUTPUT_TYPE,
    "gen_ai.openai.request.service_tier": s.OPENAI_REQUEST_SERVICE_TIER,
    "gen_ai.openai.response.service_tier": s.OPENAI_RESPONSE_SERVICE_TIER,
    "gen_ai.openai.response.system_fingerprint": s.OPENAI_RESPONSE_SYSTEM_FINGERPRINT,
    "gen_ai.request.is_stream": s.REQUEST_STREAM,
    "gen_ai.is_streaming": s.REQUEST_STREAM,
    "gen_ai.input_messages": s.INPUT_MESSAGES,
    "gen_ai.output_messages": s.OUTPUT_MESSAGES,
    "gen_ai.system.instructions": s.SYSTEM_INSTRUCTIONS,
}
_PROVIDERS = {
    "az.ai.openai": "azure.ai.openai", "az.ai.inference": "azure.ai.inference", "vertex_ai": "gcp.vertex_ai",
    "gemini": "gcp.gemini", "bedrock": "aws.bedrock", "aws": "aws.bedrock", "azure": "azure.ai.openai",
    "google": "gcp.gen_ai", "mistral": "mistral_ai", "mistralai": "mistral_ai", "xai": "x_ai",
}  # fmt: skip
_OPERATIONS = {"completion": "text_completion", "embedding": "embeddings", "message": "chat", "response": "chat",
               "responses": "chat", "image": s.IMAGE_GENERATION}  # fmt: skip
_ROLES = {"gen_ai.system.message": "system", "gen_ai.user.message": "user", "gen_ai.assistant.message": "assistant",
          "gen_ai.tool.message": "tool"}  # fmt: skip
CHOICE = "gen_ai.choice"
MESSAGE_EVENTS = frozenset({*_ROLES, CHOICE})
"""The events that carried one message each."""


def translate(speech: Speech) -> None:
    """Renames what is called otherwise today, and takes content out of events."""
    if any(key.startswith(("gen_ai.", "llm.")) for key in speech.attributes):
        speech.rename({name: new for name, new in _NAMES.items() if name in speech.attributes})
        _content_of_events(speech)
        _whole_prompt(speech)
    provider, operation = speech.attributes.get(s.PROVIDER_NAME), speech.attributes.get(s.OPERATION_NAME)
    if isinstance(provider, str):
        speech.attributes[s.PROVIDER_NAME] = _PROVIDERS.get(provider.lower(), provider.lower())
    if isinstance(operation, str) and operation in _OPERATIONS:
        speech.attributes[s.OPERATION_NAME] = _OPERATIONS[operation]


def _whole_prompt(speech: Speech) -> None:
    """The earliest form: all of the prompt in one attribute, or in one of an event."""
    for event in speech.take_events("gen_ai.content.prompt", "gen_ai.content.completion"):
        for key, value in event["attributes"].items():
            speech.attributes.setdefault(key, value)
    if (prompt := speech.take("gen_ai.prompt")) is not None:
        speech.give(s.INPUT_MESSAGES, messages_of(prompt))
    if (completion := speech.take("gen_ai.completion")) is not None:
        speech.give(s.OUTPUT_MESSAGES, messages_of(completion, "assistant"))


def _content_of_events(speech: Speech) -> None:
    for event in speech.take_events(s.DETAILS_EVENT):
        for key, value in event["attributes"].items():
            speech.attributes.setdefault(key, value)
    given: list[Message] = []
    answers: list[Message] = []
    for event in speech.take_events(*MESSAGE_EVENTS):
        message = message_of_event(event["name"], event["attributes"])
        if message is not None:
            (answers if event["name"] == CHOICE else given).append(message)
    speech.give(s.INPUT_MESSAGES, given)
    speech.give(s.OUTPUT_MESSAGES, answers)


def message_of_event(name: str, body: Any) -> Message | None:
    """The message in an event of one of the names `MESSAGE_EVENTS`; `body` is the event's body or attributes."""
    if not isinstance(body, Mapping):
        return None
    inner = parse_json(body.get("message")) if name == CHOICE else None
    said = {key: parse_json(value) if key in ("tool_calls", "message") else value for key, value in body.items()}
    said |= inner if isinstance(inner, Mapping) else {"content": inner} if inner is not None else {}
    said["role"] = said.get("role") or _ROLES.get(name, "assistant")
    made = message_of(said, "assistant")
    if made is not None and isinstance(reason := body.get("finish_reason"), str):
        made["finish_reason"] = reason
    return made
