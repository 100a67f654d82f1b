"""Argilla: records with responses and suggestions, nested as in its JSON or flat as in a Hugging Face dataset.

A question whose name speaks of a correction, an edit or a rewrite, and is answered with a text, is a correction; a
ranking of answers stays a ranking of what Argilla calls them. What a rating goes up to stands in the settings of the
dataset, and not in its records: `--scale`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rlhf_otel import semconv as s
from rlhf_otel.importers import making as m
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store.dialects.speech import messages_of

SOURCE = "argilla"
_RESPONSES, _SUGGESTION = re.compile(r"(.+)\.responses"), re.compile(r"(.+)\.suggestion")
_CORRECTS = re.compile(r"correct|edit|rewrit|revis|ideal|improved", re.IGNORECASE)
_COMMENTS = re.compile(r"comment|reason|why|explan|note|feedback_text", re.IGNORECASE)
_ASKED = ("prompt", "instruction", "question", "input", "messages", "chat", "conversation", "query", "text")
_ANSWERED = ("response", "answer", "output", "completion", "generation", "chosen", "response-1", "response1")
_THUMBS = {"up": True, "yes": True, "good": True, "positive": True, "thumbs-up": True, "thumbs_up": True, "👍": True,
           "down": False, "no": False, "bad": False, "negative": False, "thumbs-down": False, "thumbs_down": False,
           "👎": False}  # fmt: skip


class _Reply(NamedTuple):
    """What somebody answered to a question."""

    question: str
    value: Any
    by: str | None
    status: str | None = None
    is_suggested: bool = False
    score: float | None = None


def knows(row: Mapping[str, Any]) -> bool:
    """Whether a row is Argilla's."""
    nested = "fields" in row and bool(row.keys() & {"responses", "suggestions"})
    return nested or any(_RESPONSES.fullmatch(name) for name in row)


def read(row: Mapping[str, Any]) -> Iterator[Interaction | Feedback]:
    """The call that a record shows, where it shows one, and what people and models said of it."""
    flat = "fields" not in row
    fields = _flat_fields(row) if flat else m.mapping(row, "fields")
    metadata = row if flat else m.mapping(row, "metadata")
    theirs = row.get("id") or row.get("_server_id") or row.get("external_id")
    if theirs is None:
        raise m.Unusable("the record has no id")
    when = next((at for name in ("updated_at", "inserted_at", "created_at", "time", "timestamp")
                 if (at := m.moment(row.get(name)) or m.moment(metadata.get(name)))), 0)  # fmt: skip
    about = _target(theirs, metadata)
    if (made := _call(fields, metadata, about, when)) is not None:
        yield made
    yield from _given(theirs, list(_replies(row, flat)), about, when)


def _target(theirs: Any, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The call that a record was made of, where it says so; else one that is named by the record."""
    told = m.said(
        trace_id=m.text(metadata.get("trace_id")), span_id=m.text(metadata.get("span_id")),
        response_id=m.text(metadata.get("response_id")), message_id=m.text(metadata.get("message_id")),
    )  # fmt: skip
    if told.keys() & {"span_id", "response_id", "message_id"}:
        return told
    return {"trace_id": m.trace_id_of(theirs), "span_id": m.span_id_of(theirs)}


def _call(
    fields: Mapping[str, Any], metadata: Mapping[str, Any], about: Mapping[str, Any], when: int
) -> Interaction | None:
    """None where nothing of the record is an answer, or it is named as one that is recorded elsewhere."""
    asked, answered = m.first(fields, *_ASKED), m.first(fields, *_ANSWERED)
    said = messages_of(m.inner({"": asked}, "")) if asked is not None else []
    if answered is None and said and said[-1].get("role") == "assistant":
        said, answered = said[:-1], said[-1:]
    if answered is None or "span_id" not in about or "response_id" in about:
        return None
    model = m.text(m.first(metadata, "model", "model_name", "generation_model"))
    attributes = {
        s.OPERATION_NAME: "chat",
        s.REQUEST_MODEL: model,
        s.RESPONSE_MODEL: model,
        s.INPUT_MESSAGES: said,
        s.OUTPUT_MESSAGES: messages_of(m.inner({"": answered}, ""), "assistant"),
        s.SESSION_ID: m.text(m.first(metadata, "session_id", "session", "conversation_id")),
        **{f"{SOURCE}.{name}": m.text(value) for name, value in fields.items() if name not in (*_ASKED, *_ANSWERED)},
    }
    ids = {name: about[name] for name in ("trace_id", "span_id") if name in about}
    return m.call(attributes, SOURCE, start_ns=when, **{"trace_id": m.trace_id_of(about["span_id"]), **ids})


def _flat_fields(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in row.items() if "." not in name and name not in ("id", "_server_id", "status")
    }


def _replies(row: Mapping[str, Any], flat: bool) -> Iterator[_Reply]:
    """Everything that somebody has answered and submitted, and what was suggested."""
    for reply in _flat_replies(row) if flat else _nested_replies(row):
        if reply.status in (None, "submitted") and reply.value not in (None, "", []):
            yield reply


def _nested_replies(row: Mapping[str, Any]) -> Iterator[_Reply]:
    responses, suggestions = m.inner(row, "responses"), m.inner(row, "suggestions")
    if isinstance(responses, Mapping):
        for question, given in responses.items():
            for each in given if isinstance(given, list) else (given,):
                if isinstance(each, Mapping):
                    yield _Reply(str(question), each.get("value"), m.text(each.get("user_id")), each.get("status"))
    for response in responses if isinstance(responses, list) else ():  # one for each person, as the API has them
        for question, each in m.mapping(response, "values").items():
            yield _Reply(str(question), m.mapping({"": each}, "").get("value"), m.text(response.get("user_id")),
                         response.get("status"))  # fmt: skip
    if isinstance(suggestions, Mapping):
        for question, each in suggestions.items():
            told = m.mapping({"": each}, "")
            yield _Reply(str(question), told.get("value"), m.text(told.get("agent")), None, True,
                         m.number(told.get("score")))  # fmt: skip


def _flat_replies(row: Mapping[str, Any]) -> Iterator[_Reply]:
    for name in row:
        if found := _RESPONSES.fullmatch(name):
            given, by, status = (m.items(row, f"{name}{end}") for end in ("", ".users", ".status"))
            for place, value in enumerate(given):
                yield _Reply(found[1], value, m.text(by[place]) if place < len(by) else None,
                             status[place] if place < len(status) else None)  # fmt: skip
        elif (found := _SUGGESTION.fullmatch(name)) and row[name] is not None:
            yield _Reply(found[1], m.inner(row, name), m.text(row.get(f"{name}.agent")), None, True,
                         m.number(row.get(f"{name}.score")))  # fmt: skip


def _given(theirs: Any, replies: list[_Reply], about: Mapping[str, Any], when: int) -> Iterator[Feedback]:
    """A text that says why goes with the one verdict that the same person gave, where there is one."""
    whys = {(reply.by, reply.is_suggested): reply for reply in replies if _is_why(reply)}
    verdicts = [reply for reply in replies if not _is_why(reply)]
    judged = [(reply.by, reply.is_suggested) for reply in verdicts if not _is_correction(reply)]
    for reply in verdicts:
        who = (reply.by, reply.is_suggested)
        why = whys.pop(who, None) if judged.count(who) == 1 and not _is_correction(reply) else None
        yield from _opinion(theirs, reply, about, when, m.text(why.value) if why else None)
    for why in whys.values():
        yield from _opinion(theirs, why._replace(value=None), about, when, m.text(why.value))


def _is_why(reply: _Reply) -> bool:
    return isinstance(reply.value, str) and bool(_COMMENTS.search(reply.question))


def _is_correction(reply: _Reply) -> bool:
    return isinstance(reply.value, str) and bool(_CORRECTS.search(reply.question))


def _opinion(
    theirs: Any, reply: _Reply, about: Mapping[str, Any], when: int, comment: str | None
) -> Iterator[Feedback]:
    value: Any = reply.value
    if isinstance(value, str):
        value = m.number(value) if m.number(value) is not None else _THUMBS.get(value.lower(), value)
    yield from m.opinions(
        m.identity(SOURCE, None, theirs, reply.question, reply.by, "suggestion" if reply.is_suggested else "response"),
        name=reply.question, value=None if _is_correction(reply) else value, comment=comment,
        correction=reply.value if _is_correction(reply) else None, time_ns=when, rater=reply.by or None,
        source="agent" if reply.is_suggested else "annotator", annotator_kind="LLM" if reply.is_suggested else "HUMAN",
        metadata={"status": reply.status, "confidence": reply.score, "record": str(theirs)}, **about,
    )  # fmt: skip
