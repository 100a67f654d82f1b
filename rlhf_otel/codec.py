"""Interactions and feedback to and from the attributes that carry them.

Each direction is written once, beside its inverse: what the one writes, the other reads back.
"""

from __future__ import annotations

import dataclasses
import json
import operator
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, cast

from rlhf_otel import semconv as s
from rlhf_otel.records import Feedback, FeedbackKind, Interaction, Message, Part, interaction_with

if TYPE_CHECKING:
    from rlhf_otel.consents import Statement

Attributes = dict[str, Any]

# Field of the record -> name on the wire, for everything that is a plain value with the default None.
_INTERACTION_FIELDS: Mapping[str, str] = {
    "request_model": s.REQUEST_MODEL,
    "response_model": s.RESPONSE_MODEL,
    "response_id": s.RESPONSE_ID,
    "stream_end": s.STREAM_END,
    "stream_chunks": s.STREAM_CHUNKS,
    "stream_max_gap_s": s.STREAM_MAX_GAP,
    "time_to_first_chunk_s": s.RESPONSE_TIME_TO_FIRST_CHUNK,
    "time_to_first_token_s": s.TIME_TO_FIRST_TOKEN,
    "time_to_first_reasoning_s": s.TIME_TO_FIRST_REASONING,
    "time_to_headers_s": s.TIME_TO_HEADERS,
    "input_tokens": s.USAGE_INPUT_TOKENS,
    "output_tokens": s.USAGE_OUTPUT_TOKENS,
    "cached_tokens": s.USAGE_CACHE_READ_INPUT_TOKENS,
    "cache_write_tokens": s.USAGE_CACHE_WRITE_INPUT_TOKENS,
    "reasoning_tokens": s.USAGE_REASONING_OUTPUT_TOKENS,
    "error_type": s.ERROR_TYPE,
    "user": s.ENDUSER_ID,
    "anonymous_user": s.ENDUSER_PSEUDO_ID,
    "message_id": s.MESSAGE_ID,
    "consent": s.CONSENT,
}
# Property of the record -> name on the wire: what readers of the record work out anew.
_DERIVED: Mapping[str, str] = {
    "tokens_per_second": s.OUTPUT_TOKENS_PER_SECOND,
    "network_time_s": s.NETWORK_TIME,
    "stream_duration_s": s.STREAM_DURATION,
    "cache_hit_ratio": s.CACHE_HIT_RATIO,
}
_PLAIN_KEYS = (*_INTERACTION_FIELDS.values(), *_DERIVED.values())
_plain_values = operator.attrgetter(*_INTERACTION_FIELDS, *_DERIVED)
_CONTENT_FIELDS: Mapping[str, str] = {
    "system": s.SYSTEM_INSTRUCTIONS,
    "input": s.INPUT_MESSAGES,
    "output": s.OUTPUT_MESSAGES,
    "tools": s.TOOL_DEFINITIONS,
}
CONTENT_ATTRIBUTES = frozenset({*_CONTENT_FIELDS.values(), s.STEPS})
RECORD_ATTRIBUTES = frozenset({s.OPERATION_NAME, s.PROVIDER_NAME, *_PLAIN_KEYS, *_CONTENT_FIELDS.values()})
"""What the fields of an interaction are called on its span."""


def dumps(value: Any) -> str:
    """`value` as compact JSON; what JSON has no word for, as text."""
    encoded = strict_dumps(value)
    return json.dumps(value, separators=(",", ":"), default=str) if encoded is None else encoded


def strict_dumps(value: Any) -> str | None:
    """`value` as compact JSON in valid UTF-8, by the encoder that an SDK brought along where there is one.

    None where it has foreign objects or lone surrogates in it.
    """
    core = sys.modules.get("pydantic_core")
    try:
        if core is not None:
            return cast("bytes", core.to_json(value)).decode()
        encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except Exception:  # noqa: BLE001 - each encoder raises what it likes
        return None
    return encoded if is_encodable(encoded) else None


def encoded_fields(interaction: Interaction, names: Iterable[str]) -> dict[str, str] | None:
    """The JSON of those of the fields `names` that have something in them; None where `strict_dumps` gives none."""
    encoded: dict[str, str] = {}
    for name in names:
        if value := getattr(interaction, name):
            text = strict_dumps(value)
            if text is None:
                return None
            encoded[name] = text
    return encoded


def is_encodable(text: str) -> bool:
    """Whether `text` has a form in UTF-8: halves of characters, as JavaScript may send them, have none."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def whole(text: str) -> str:
    """`text` with halves of characters joined where they belong together, and replaced where they do not."""
    if text.isascii() or is_encodable(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def interaction_attributes(interaction: Interaction, encoded: Mapping[str, str] | None = None) -> Attributes:
    """The span attributes of `interaction`, as flat values that OpenTelemetry accepts.

    Args:
        interaction: the record.
        encoded: the JSON of its content by field, where that has been made before.
    """
    i = interaction
    attributes: Attributes = {s.OPERATION_NAME: whole(i.operation), s.PROVIDER_NAME: whole(i.provider)}
    for key, value in zip(_PLAIN_KEYS, _plain_values(i), strict=True):
        if value is not None:
            attributes[key] = whole(value) if isinstance(value, str) and not value.isascii() else value
    if i.stream:
        attributes[s.REQUEST_STREAM] = True
    if i.usage_estimated:
        attributes[s.USAGE_ESTIMATED] = True
    if i.finish_reasons:
        attributes[s.RESPONSE_FINISH_REASONS] = [whole(reason) for reason in i.finish_reasons]
    if i.retries:
        attributes[s.HTTP_RESEND_COUNT] = i.retries
    if i.session is not None:
        attributes[s.SESSION_ID] = attributes[s.CONVERSATION_ID] = whole(i.session)
    if i.variant is not None:
        attributes[s.VARIANT] = attributes[s.FEATURE_FLAG_VARIANT] = whole(i.variant)
    for key, value in i.context.items():
        attributes[s.CONTEXT + whole(key)] = flat(value)
    for name, key in _CONTENT_FIELDS.items():
        if value := getattr(i, name):
            attributes[key] = encoded[name] if encoded is not None else dumps(value)
    for key, value in i.attributes.items():
        attributes[whole(key)] = value if type(value) is str and value.isascii() else flat(value)
    return attributes


def interaction_from_attributes(attributes: Mapping[str, Any], **envelope: Any) -> Interaction:
    """The interaction that a span with these `attributes` tells of; `envelope` are the fields that the span itself has.

    Takes the attributes of any emitter that speaks the GenAI conventions; what it does not know stays in `attributes`.
    """
    rest = dict(attributes)
    fields: dict[str, Any] = {name: rest.pop(key) for name, key in _INTERACTION_FIELDS.items() if key in rest}
    for name, key in _CONTENT_FIELDS.items():
        fields[name] = _content(rest.pop(key)) if key in rest else None
    for key in _DERIVED.values():
        rest.pop(key, None)
    conversation = rest.pop(s.CONVERSATION_ID, None)
    fields["session"] = rest.pop(s.SESSION_ID, conversation)
    variant = rest.pop(s.FEATURE_FLAG_VARIANT, None)
    fields["variant"] = rest.pop(s.VARIANT, variant)
    fields["operation"] = rest.pop(s.OPERATION_NAME, "")
    fields["provider"] = rest.pop(s.PROVIDER_NAME, "")
    fields["stream"] = bool(rest.pop(s.REQUEST_STREAM, False))
    fields["usage_estimated"] = bool(rest.pop(s.USAGE_ESTIMATED, False))
    fields["finish_reasons"] = tuple(rest.pop(s.RESPONSE_FINISH_REASONS, ()))
    fields["retries"] = rest.pop(s.HTTP_RESEND_COUNT, 0)
    fields["context"] = {k.removeprefix(s.CONTEXT): rest.pop(k) for k in tuple(rest) if k.startswith(s.CONTEXT)}
    return interaction_with(**{**fields, "attributes": rest, **envelope})


def is_interaction(attributes: Mapping[str, Any]) -> bool:
    """Whether a span with these attributes is a call to a model, and not a tool, an agent or plain HTTP."""
    operation = attributes.get(s.OPERATION_NAME)
    return operation in s.MODEL_OPERATIONS or (operation == s.FETCH_RESPONSE and not has_no_answer(attributes))


def has_no_answer(attributes: Mapping[str, Any]) -> bool:
    """Whether a span of ours with these attributes is of a request that no model answers, or has not answered yet."""
    operation = attributes.get(s.OPERATION_NAME)
    if operation == s.FETCH_RESPONSE:
        return s.OUTPUT_MESSAGES not in attributes and s.RESPONSE_FINISH_REASONS not in attributes
    return operation in s.ANSWERLESS_OPERATIONS


_FEEDBACK_FIELDS: Mapping[str, str] = {
    "id": s.FEEDBACK_ID,
    "name": s.EVALUATION_NAME,
    "kind": s.FEEDBACK_KIND,
    "response_id": s.RESPONSE_ID,
    "message_id": s.MESSAGE_ID,
    "session": s.SESSION_ID,
    "comment": s.EVALUATION_EXPLANATION,
    "correction": s.FEEDBACK_CORRECTION,
    "signal": s.FEEDBACK_SIGNAL,
    "rater": s.ENDUSER_ID,
    "source": s.FEEDBACK_SOURCE,
    "annotator_kind": s.FEEDBACK_ANNOTATOR_KIND,
    "turn": s.FEEDBACK_TURN,
    "step": s.FEEDBACK_STEP,
    "quote": s.FEEDBACK_QUOTE,
    "chosen": s.FEEDBACK_CHOSEN,
    "rejected": s.FEEDBACK_REJECTED,
    "margin": s.FEEDBACK_MARGIN,
    "position": s.FEEDBACK_POSITION,
    "retracts": s.FEEDBACK_RETRACTS,
}


def feedback_attributes(feedback: Feedback) -> Attributes:
    """The attributes of the `gen_ai.evaluation.result` event that carries `feedback`."""
    f = feedback
    attributes: Attributes = {}
    for name, key in _FEEDBACK_FIELDS.items():
        value = getattr(f, name)
        if value is not None:
            attributes[key] = value
    if f.session is not None:
        attributes[s.CONVERSATION_ID] = f.session
    attributes.update(_value_attributes(f))
    if f.scale is not None:
        attributes[s.FEEDBACK_SCORE_MIN], attributes[s.FEEDBACK_SCORE_MAX] = (float(end) for end in f.scale)
    if f.range is not None:
        attributes[s.FEEDBACK_RANGE] = list(f.range)
    if f.ranking:
        attributes[s.FEEDBACK_RANKING] = list(f.ranking)
    if f.target_start_ns:
        attributes[s.FEEDBACK_TARGET_START] = f.target_start_ns
    for key, value in f.metadata.items():
        attributes[s.FEEDBACK_METADATA + whole(key)] = flat(value)
    return attributes


def _value_attributes(f: Feedback) -> Attributes:
    """A binary is a number with the word pass or fail, a number is a number, a word is a label, the rest is JSON."""
    if f.kind == "binary":
        label = f.label or ("pass" if f.value else "fail")
        return {s.EVALUATION_SCORE_VALUE: float(f.value), s.EVALUATION_SCORE_LABEL: label}
    attributes: Attributes = {}
    if isinstance(f.value, int | float) and f.kind != "custom":
        attributes[s.EVALUATION_SCORE_VALUE] = float(f.value)
    elif f.value is not None and f.value != f.label:
        attributes[s.FEEDBACK_VALUE] = dumps(f.value)
    if f.label is not None:
        attributes[s.EVALUATION_SCORE_LABEL] = f.label
    return attributes


def statement_attributes(said: Statement) -> Attributes:
    """The attributes of the `rlhf.consent` event that carries what a person has said."""
    named = {s.SESSION_ID: said.session, s.CONVERSATION_ID: said.session, s.ENDUSER_ID: said.user}
    return {s.CONSENT: said.consent, **{key: value for key, value in named.items() if value}}


def feedback_from_attributes(attributes: Mapping[str, Any], **envelope: Any) -> Feedback:
    """The feedback that an event with these attributes carries; `envelope` are trace_id, span_id and time_ns."""
    rest = dict(attributes)
    fields: dict[str, Any] = {name: rest.pop(key) for name, key in _FEEDBACK_FIELDS.items() if key in rest}
    conversation = rest.pop(s.CONVERSATION_ID, None)
    fields.setdefault("session", conversation)
    low, high = rest.pop(s.FEEDBACK_SCORE_MIN, None), rest.pop(s.FEEDBACK_SCORE_MAX, None)
    fields["scale"] = None if low is None or high is None else (low, high)
    fields["label"] = rest.pop(s.EVALUATION_SCORE_LABEL, None)
    fields["value"] = _value(rest, fields.get("kind"), fields["label"])
    fields.setdefault("kind", _kind(fields))
    if fields["kind"] == "binary":
        fields["value"] = bool(fields["value"])
        fields["label"] = None if fields["label"] in ("pass", "fail") else fields["label"]
    fields["range"] = tuple(rest.pop(s.FEEDBACK_RANGE, ())) or None
    fields["ranking"] = tuple(rest.pop(s.FEEDBACK_RANKING, ()))
    fields["target_start_ns"] = rest.pop(s.FEEDBACK_TARGET_START, 0)
    start = s.FEEDBACK_METADATA
    ours = {key.removeprefix(start): rest.pop(key) for key in tuple(rest) if key.startswith(start)}
    fields["metadata"] = {**rest, **ours}  # what another emitter has besides is kept by its own name
    fields.setdefault("name", "user_feedback")
    fields.setdefault("id", f"{envelope.get('span_id', '')}:{fields['name']}:{envelope.get('time_ns', 0)}")
    return Feedback(**{**fields, **envelope})


def _value(rest: dict[str, Any], kind: str | None, label: str | None) -> Any:
    if (number := rest.pop(s.EVALUATION_SCORE_VALUE, None)) is not None:
        return int(number) if kind == "rating" and float(number).is_integer() else number
    if (encoded := rest.pop(s.FEEDBACK_VALUE, None)) is not None:
        return parse_json(encoded)
    return label if kind == "categorical" else None


def _kind(fields: Mapping[str, Any]) -> FeedbackKind:
    """The kind of an event that another emitter made, from what it carries."""
    if fields["value"] is not None:
        return "binary" if fields["label"] in ("pass", "fail") and fields["value"] in (0, 1) else "score"
    if fields["label"] is not None:
        return "categorical"
    return "comment"


def text_of(messages: Iterable[Message] | None, role: str | None = None) -> str:
    """The text parts of `messages` (of those with `role`), one after the other, a line break between messages."""
    texts = (
        "".join(str(part.get("content", "")) for part in message.get("parts", ()) if part.get("type") == "text")
        for message in messages or ()
        if role is None or message.get("role") == role
    )
    return "\n".join(text for text in texts if text)


def prompt_text(interaction: Interaction) -> str:
    """What the person asked last: the text of the last user message, else of the whole input; all that was embedded."""
    if interaction.operation == "embeddings":
        return text_of(interaction.input)
    for message in reversed(interaction.input or ()):
        if message.get("role") == "user" and (text := text_of([message])):
            return text
    return text_of(interaction.input)


def response_text(interaction: Interaction) -> str:
    """The text of the (first) answer."""
    return text_of((interaction.output or ())[:1])


def flat(value: Any) -> Any:
    """`value` itself where OpenTelemetry takes it as an attribute, else its JSON."""
    if isinstance(value, str):
        return value if value.isascii() else whole(value)
    if is_plain(value):
        return value if not isinstance(value, int) or -(2**63) <= value < 2**63 else str(value)  # what OTLP can hold
    if isinstance(value, (list, tuple)) and len({type(item) for item in value}) == 1 and is_plain(value[0]):
        return [flat(item) for item in value]
    return dumps(value)


def is_plain(value: Any) -> bool:
    """Whether OpenTelemetry takes `value` as an attribute."""
    return isinstance(value, (str, bool, int, float))  # a union is made anew each time: four times the price


UNREADABLE = "[unreadable]"


def said_by(error: BaseException) -> str:
    """What an exception says, if it can: the application's own need not."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the application is to get its exception and not this one
        return UNREADABLE


def plain(value: Any, within: tuple[int, ...] = (), *, keep: type = str) -> Any:
    """`value` copied as JSON knows it: no later change reaches it, and no text hides in an object. Never raises.

    Values of the type `keep` stay what they are.
    """
    if value is None or isinstance(value, (str, bool, int, float, keep)):
        return value
    if len(within) > 200 or id(value) in within:
        return UNREADABLE
    within = (*within, id(value))
    try:
        if dataclasses.is_dataclass(value):
            value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        elif hasattr(value, "model_dump"):
            quietly = {"warnings": False} if hasattr(value, "__pydantic_serializer__") else {}
            value = value.model_dump(**quietly)
        elif isinstance(value, FunctionType | MethodType):
            value = {"name": value.__name__, "description": value.__doc__}  # a tool, as some SDKs take them
        if isinstance(value, Mapping):
            return {str(key): plain(item, within, keep=keep) for key, item in value.items()}
        is_list = isinstance(value, Sequence | Set) and not isinstance(value, bytes | bytearray)
        return [plain(item, within, keep=keep) for item in value] if is_list else str(value)
    except Exception:  # noqa: BLE001 - the application's own classes, and the end of the stack
        return UNREADABLE


def _content(value: Any) -> Any:
    """Messages as other emitters write them: a JSON string or the structure itself."""
    value = parse_json(value)
    return value if isinstance(value, list | tuple) else [part for part in (_as_text_part(value),) if part]


def _as_text_part(value: Any) -> Part | None:
    return {"type": "text", "content": value} if isinstance(value, str) and value else None


def parse_json(value: Any) -> Any:
    """The value that `value` encodes; `value` itself where it is no JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
