"""OpenInference, which Phoenix and Arize read: `llm.*` attributes, and the bodies of request and answer beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rlhf_otel import semconv as s
from rlhf_otel.codec import parse_json
from rlhf_otel.records import Part
from rlhf_otel.store.dialects.speech import Speech, as_json, messages_of, parts_of, text_part, tool_call_part

_KIND = "openinference.span.kind"
_KINDS = {"LLM": "chat", "EMBEDDING": "embeddings"}
_NAMES = {
    "llm.provider": s.PROVIDER_NAME,
    "llm.system": s.PROVIDER_NAME,
    "llm.request.model_name": s.REQUEST_MODEL,
    "llm.response.model_name": s.RESPONSE_MODEL,
    "llm.finish_reason": s.RESPONSE_FINISH_REASONS,
    "llm.token_count.prompt": s.USAGE_INPUT_TOKENS,
    "llm.token_count.completion": s.USAGE_OUTPUT_TOKENS,
    "llm.token_count.prompt_details.cache_read": s.USAGE_CACHE_READ_INPUT_TOKENS,
    "llm.token_count.prompt_details.cache_write": s.USAGE_CACHE_WRITE_INPUT_TOKENS,
    "llm.token_count.prompt_details.audio": s.USAGE_AUDIO_INPUT_TOKENS,
    "llm.token_count.completion_details.reasoning": s.USAGE_REASONING_OUTPUT_TOKENS,
    "llm.token_count.completion_details.audio": s.USAGE_AUDIO_OUTPUT_TOKENS,
    "llm.cost.total": s.USAGE_COST,
    "user.id": s.ENDUSER_ID,
}
_PARAMETERS = {
    "model": s.REQUEST_MODEL, "temperature": s.REQUEST_TEMPERATURE, "max_tokens": s.REQUEST_MAX_TOKENS,
    "max_completion_tokens": s.REQUEST_MAX_TOKENS, "top_p": s.REQUEST_TOP_P, "top_k": s.REQUEST_TOP_K,
    "frequency_penalty": s.REQUEST_FREQUENCY_PENALTY, "presence_penalty": s.REQUEST_PRESENCE_PENALTY,
    "seed": s.REQUEST_SEED, "stream": s.REQUEST_STREAM, "n": s.REQUEST_CHOICE_COUNT,
}  # fmt: skip
_FIRST_TOKEN = "First Token Stream Event"


def translate(speech: Speech) -> None:
    """Of a span of a model or of embeddings."""
    kind = speech.attributes.get(_KIND)
    if not isinstance(kind, str) or kind.upper() not in _KINDS:
        return
    speech.take(_KIND)
    speech.give(s.OPERATION_NAME, _operation(speech, _KINDS[kind.upper()]))
    if "llm.provider" in speech.attributes:
        speech.take("llm.system")
    speech.rename({name: new for name, new in _NAMES.items() if name in speech.attributes})
    for name in ("llm.invocation_parameters", "embedding.invocation_parameters"):
        speech.give_named(_PARAMETERS, as_json(speech.attributes.get(name)))
    _models(speech)
    _content(speech)
    _bodies(speech)
    if firsts := speech.take_events(_FIRST_TOKEN):
        speech.give_first_token(min(event["time_ns"] for event in firsts))


def _operation(speech: Speech, usual: str) -> str:
    """What was asked: for a plain text to be completed there are prompts, and no messages."""
    return "text_completion" if "llm.prompts.0.prompt.text" in speech.attributes else usual


def _models(speech: Speech) -> None:
    """The one name that there usually is says what answered; what was asked for, unless told, is the same."""
    for name in ("llm.model_name", "embedding.model_name"):
        if (model := speech.take(name)) is not None:
            speech.give(s.RESPONSE_MODEL, model)
            speech.give(s.REQUEST_MODEL, model)


def _content(speech: Speech) -> None:
    speech.give(s.INPUT_MESSAGES, _messages(speech, "llm.input_messages", "user"))
    speech.give(s.OUTPUT_MESSAGES, _messages(speech, "llm.output_messages", "assistant"))
    if tools := speech.take_numbered("llm.tools"):
        speech.give(s.TOOL_DEFINITIONS, [parse_json(_inner(tool, "tool").get("json_schema")) for tool in tools])
    if prompts := speech.take_numbered("llm.prompts"):
        speech.give(s.INPUT_MESSAGES, messages_of([_inner(prompt, "prompt").get("text") for prompt in prompts]))
    embedded = [_inner(entry, "embedding") for entry in speech.take_numbered("embedding.embeddings")]
    if texts := [text_part(text) for entry in embedded if isinstance(text := entry.get("text"), str)]:
        speech.give(s.INPUT_MESSAGES, [{"role": "user", "parts": texts}])
    if vectors := [vector for entry in embedded if isinstance(vector := entry.get("vector"), list)]:
        speech.give(s.EMBEDDINGS_DIMENSION_COUNT, len(vectors[0]))


def _messages(speech: Speech, prefix: str, role: str) -> list[Any]:
    entries = [_inner(entry, "message") for entry in speech.take_numbered(prefix)]
    return [{"role": str(entry.get("role") or role), "parts": list(_parts(entry))} for entry in entries if entry]


def _parts(message: Mapping[str, Any]) -> Iterator[Part]:
    content, call = message.get("content"), message.get("tool_call_id")
    if call is not None:
        yield {"type": "tool_call_response", "id": call, "response": content}
    else:
        yield from parts_of(content)
    blocks = [_block(_inner(block, "message_content"), block) for block in _list(message.get("contents"))]
    yield from (block for block in blocks if block is not None)
    if not any(block and block["type"] == "tool_call" for block in blocks):
        for entry in _list(message.get("tool_calls")):
            yield tool_call_part(_inner(entry, "tool_call"))


def _block(content: Mapping[str, Any], whole: Any) -> Part | None:
    """One block of a message's content; the calls of tools among them stand beside it."""
    if content.get("type") == "tool_use":
        call = _inner(whole, "tool_call")
        return tool_call_part(call) if call else None
    if isinstance(image := content.get("image"), Mapping):
        url = _inner(image, "image").get("url")
        return {"type": "uri", "modality": "image", "uri": url}
    return next(parts_of(dict(content)), None)


def _inner(entry: Any, name: str) -> Mapping[str, Any]:
    found = entry.get(name) if isinstance(entry, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _bodies(speech: Speech) -> None:
    """The bodies of request and answer say again what the messages say: kept only where there are no messages.

    The id of the answer stands nowhere else.
    """
    answer = as_json(speech.attributes.get("output.value")) or {}
    if isinstance(answer.get("id"), str):
        speech.give(s.RESPONSE_ID, answer["id"])
    for body, content, role in (
        ("input", s.INPUT_MESSAGES, "user"),
        ("output", s.OUTPUT_MESSAGES, "assistant"),
    ):
        value = speech.attributes.get(f"{body}.value")
        if value is not None and content not in speech.attributes and as_json(value) is None:
            speech.give(content, messages_of(value, role))
        if content in speech.attributes or speech.attributes.get(s.OPERATION_NAME) == "embeddings":
            speech.take(f"{body}.value")
            speech.take(f"{body}.mime_type")
