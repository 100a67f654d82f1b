"""Open WebUI: its export of feedback (with the chat that each is about, or as a table) and its export of chats.

A person rates a message with a thumb, and may say why: a rating from 1 to 10, a reason out of a list, a comment, tags.
Where other models had answered the same question beside it, the thumb is a preference as well, as on Open WebUI's own
leaderboard. An answer that somebody edited is a correction of the one that the model gave.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rlhf_otel import semconv as s
from rlhf_otel.importers import making as m
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store.dialects.speech import messages_of

SOURCE = "open-webui"
_TABLE = {"id", "user_id", "chat_id", "model_id", "rating"}
_DETAILED = (1.0, 10.0)
_SAID = ("rating", "reason", "comment", "tags", "details")
_USAGE = {
    "prompt_tokens": s.USAGE_INPUT_TOKENS, "input_tokens": s.USAGE_INPUT_TOKENS, "completion_tokens":
    s.USAGE_OUTPUT_TOKENS, "output_tokens": s.USAGE_OUTPUT_TOKENS, "prompt_eval_count": s.USAGE_INPUT_TOKENS,
    "eval_count": s.USAGE_OUTPUT_TOKENS,
}  # fmt: skip
_Messages = Mapping[str, Mapping[str, Any]]


def knows(row: Mapping[str, Any]) -> bool:
    """Whether a row is Open WebUI's."""
    names = row.keys()
    return names >= {"id", "data", "meta", "user_id"} or names >= _TABLE or (
        "chat" in names and bool(m.mapping(m.mapping(row, "chat"), "history"))
    )  # fmt: skip


def read(row: Mapping[str, Any]) -> Iterator[Interaction | Feedback]:
    """The records of one chat, or of one feedback with the answer that it is about."""
    if row.keys() >= _TABLE:
        data = {**row, "sibling_model_ids": str(row.get("sibling_model_ids") or "").split(";")}
        yield from _feedback(row, data, {"chat_id": row["chat_id"]})
    elif "data" in row:
        yield from _feedback_with_chat(row)
    elif "chat" in row:
        yield from _chat(row)
    else:
        raise m.Unusable("neither a chat nor a feedback of Open WebUI")


def _feedback_with_chat(row: Mapping[str, Any]) -> Iterator[Interaction | Feedback]:
    """Of the chat, which comes whole with every feedback on it, the rated answer and those beside it."""
    meta, chat = m.mapping(row, "meta"), m.mapping(m.mapping(row, "snapshot"), "chat")
    messages, theirs = _messages(chat), str(meta.get("message_id"))
    if theirs in messages:
        rated = messages[theirs]
        for each in (rated, *_others(rated, messages)):
            yield from _answers(each, messages, chat)
        yield from _preferences(row, rated, messages)
    yield from _feedback(row, m.mapping(row, "data"), meta)


def _chat(row: Mapping[str, Any]) -> Iterator[Interaction | Feedback]:
    messages = _messages(row)
    for message in messages.values():
        if message.get("role") != "assistant":
            continue
        yield from _answers(message, messages, row)
        given = m.mapping(message, "annotation")
        if m.number(given.get("rating")) is not None:
            told = {"id": message.get("feedbackId") or f"{message.get('id')}:annotation", "user_id": row.get("user_id"),
                    "created_at": message.get("timestamp") or row.get("updated_at")}  # fmt: skip
            about = {"message_id": message.get("id"), "chat_id": row.get("id"), "model_id": message.get("model")}
            yield from _feedback(told, given, about)


def _messages(chat: Mapping[str, Any]) -> _Messages:
    found = m.mapping(m.mapping(m.mapping(chat, "chat"), "history"), "messages")
    return {str(key): each for key, each in found.items() if isinstance(each, Mapping)}


def _others(message: Mapping[str, Any], messages: _Messages) -> list[Mapping[str, Any]]:
    """The finished answers that other models gave to the same question."""
    beside = m.items(messages.get(str(message.get("parentId")), {}), "childrenIds")
    found = [messages[str(each)] for each in beside if str(each) in messages and each != message.get("id")]
    return [each for each in found if m.text(each.get("content")) and _model(each) != _model(message)]


def _model(message: Mapping[str, Any]) -> str | None:
    """Whose answer it is: in an arena the name of the arena stands in the place of the model's."""
    return m.text(m.first(message, "selectedModelId", "model"))


def _answers(
    message: Mapping[str, Any], messages: _Messages, chat: Mapping[str, Any]
) -> Iterator[Interaction | Feedback]:
    """The call that `message` is the answer of, and the correction where somebody has edited it."""
    told, original = m.text(message.get("content")), m.text(message.get("originalContent"))
    start = m.moment(message.get("timestamp")) or m.moment(chat.get("created_at"))
    usage = m.mapping(message, "usage") or m.mapping(m.mapping(message, "info"), "usage")
    error = m.text(m.mapping(message, "error").get("content") or message.get("error"))
    ids: dict[str, Any] = _ids(message, chat)
    params = m.mapping(m.mapping(chat, "chat"), "params")
    attributes = {
        s.OPERATION_NAME: "chat",
        s.REQUEST_MODEL: m.text(message.get("model")),
        s.RESPONSE_MODEL: _model(message),
        s.INPUT_MESSAGES: _conversation(message, messages),
        s.OUTPUT_MESSAGES: messages_of([{"role": "assistant", "content": original or told}]) if told else None,
        s.SYSTEM_INSTRUCTIONS: [{"type": "text", "content": system}]
        if (system := m.text(params.get("system")))
        else None,
        s.SESSION_ID: m.text(chat.get("id")),
        s.ENDUSER_ID: m.text(chat.get("user_id")),
        s.MESSAGE_ID: m.text(message.get("id")),
        s.ERROR_TYPE: "Error" if error else None,
        **{_USAGE[name]: m.count(value) for name, value in usage.items() if name in _USAGE},
        **{f"{SOURCE}.{name}": message[name] for name in ("arena", "modelName", "sources") if message.get(name)},
    }
    yield m.call(attributes, SOURCE, start_ns=start, **ids, name=f"chat {message.get('model')}", error_message=error)
    if original and told and original != told:
        yield from m.opinions(
            f"{SOURCE}:{message.get('id')}", correction=told, rater=m.text(chat.get("user_id")),
            time_ns=m.moment(message.get("editedAt")) or m.moment(chat.get("updated_at")) or start,
            message_id=m.text(message.get("id")), session=m.text(chat.get("id")), **ids,
        )  # fmt: skip


def _ids(message: Mapping[str, Any], chat: Mapping[str, Any]) -> dict[str, str]:
    return {"trace_id": m.trace_id_of(chat.get("id")), "span_id": m.span_id_of(message.get("id"))}


def _conversation(message: Mapping[str, Any], messages: _Messages) -> list[Any]:
    """What was said before, the oldest first: each message names the one that it follows on."""
    said: list[Mapping[str, Any]] = []
    seen: set[str] = set()
    above = str(message.get("parentId"))
    while above in messages and above not in seen:
        seen.add(above)
        said.append(messages[above])
        above = str(messages[above].get("parentId"))
    return messages_of([{"role": each.get("role"), "content": each.get("content")} for each in reversed(said)])


def _feedback(row: Mapping[str, Any], data: Mapping[str, Any], meta: Mapping[str, Any]) -> Iterator[Feedback]:
    """The thumb with all that was said beside it; the rating from 1 to 10, where there is one, by itself."""
    message, chat, given = m.text(meta.get("message_id")), m.text(meta.get("chat_id")), m.number(data.get("rating"))
    if given is None:
        raise m.Unusable("the feedback has no rating")
    if not (message or chat):
        raise m.Unusable("the feedback names neither a message nor a chat")
    siblings: Sequence[Any] = [each for each in data.get("sibling_model_ids") or () if each]
    rest = {name: value for name, value in data.items() if name not in (*_SAID, *row, "sibling_model_ids")}
    metadata = {
        **rest, "reason": data.get("reason"), "tags": list(data.get("tags") or meta.get("tags") or ()),
        "sibling_model_ids": siblings, "model_id": data.get("model_id"), "arena": meta.get("arena"),
        "base_models": meta.get("base_models"),
    }  # fmt: skip
    about: dict[str, Any] = {
        "time_ns": m.moment(row.get("created_at")),
        "changed_ns": m.changed(row.get("created_at"), row.get("updated_at")),
        "rater": m.text(row.get("user_id")),
        "trace_id": m.trace_id_of(chat) if chat and message else None,
        "span_id": m.span_id_of(message) if message else None,
        "message_id": message,
        "session": chat,
    }
    yield from m.opinions(
        f"{SOURCE}:{row.get('id')}", value=given > 0 if given else None, label=None if given else "draw",
        comment=m.text(data.get("comment")), metadata=metadata, **about,
    )  # fmt: skip
    if (detailed := m.number(m.mapping(data, "details").get("rating"))) is not None:
        yield from m.opinions(
            f"{SOURCE}:{row.get('id')}:rating", name="rating", value=detailed, scale=_DETAILED, **about
        )


def _preferences(row: Mapping[str, Any], rated: Mapping[str, Any], messages: _Messages) -> Iterator[Feedback]:
    """The thumb against each of the answers beside it."""
    given, chat = m.number(m.mapping(row, "data").get("rating")), m.mapping(row, "meta").get("chat_id")
    changed = m.changed(row.get("created_at"), row.get("updated_at"))
    for other in _others(rated, messages) if given else ():
        mine, beside = m.span_id_of(rated.get("id")), m.span_id_of(other.get("id"))
        chosen, rejected = (mine, beside) if given and given > 0 else (beside, mine)
        yield Feedback(
            id=f"{SOURCE}:{row.get('id')}:{beside}" + (f"#{changed}" if changed else ""),
            name="preference",
            kind="preference",
            chosen=chosen,
            rejected=rejected,
            time_ns=changed or m.moment(row.get("created_at")) or m.UNDATED,
            trace_id=m.trace_id_of(chat),
            span_id=chosen,
            rater=m.text(row.get("user_id")),
            session=m.text(chat),
        )
