"""LangSmith: runs and feedback, as the client lists them and as the export to storage has them.

Feedback on the first run of a trace is about what the person saw of the whole: about the call of that trace that the
store finds for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rlhf_otel import semconv as s
from rlhf_otel.importers import making as m
from rlhf_otel.otel_records import SpanRecord
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store.dialects.speech import messages_of

SOURCE = "langsmith"
_RUN, _FEEDBACK = {"run_type", "start_time"}, {"key", "run_id"}
_CALLS = {"llm": "chat", "embedding": "embeddings"}
_SESSIONS = ("session_id", "thread_id", "conversation_id")
_SOURCES = {"app": ("annotator", "HUMAN"), "api": ("end_user", "HUMAN"), "model": ("builder", "LLM"),
            "auto_eval": ("builder", "LLM")}  # fmt: skip
_ROLES = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant", "HumanMessage": "user",
          "AIMessage": "assistant", "SystemMessage": "system", "ToolMessage": "tool"}  # fmt: skip
_PARAMETERS = {
    "temperature": s.REQUEST_TEMPERATURE, "max_tokens": s.REQUEST_MAX_TOKENS, "top_p": s.REQUEST_TOP_P,
    "max_completion_tokens": s.REQUEST_MAX_TOKENS, "seed": s.REQUEST_SEED,
}  # fmt: skip
_KEPT = ("tags", "session_name", "reference_example_id", "dotted_order", "run_type")


def knows(row: Mapping[str, Any]) -> bool:
    """Whether a row is LangSmith's."""
    names = row.keys()
    return names >= _RUN or (names >= _FEEDBACK and bool(names & {"score", "value", "comment", "correction"}))


def read(row: Mapping[str, Any]) -> Iterator[Interaction | SpanRecord | Feedback]:
    """The records of one run (with the runs beneath it) or one feedback."""
    if row.keys() >= _RUN:
        yield _run(row)
        for child in m.items(row, "child_runs"):
            if isinstance(child, Mapping):
                yield from read({"trace_id": row.get("trace_id"), **child})
    elif row.keys() >= _FEEDBACK:
        yield from _feedback(row)
    else:
        raise m.Unusable("neither a run nor a feedback of LangSmith")


def _run(row: Mapping[str, Any]) -> Interaction | SpanRecord:
    extra, metadata = m.mapping(row, "extra"), m.mapping(m.mapping(row, "extra"), "metadata")
    start, parent = m.moment(row["start_time"]), row.get("parent_run_id")
    known: dict[str, Any] = {
        "trace_id": m.trace_id_of(row.get("trace_id") or row["id"]),
        "span_id": m.span_id_of(row["id"]),
        "parent_span_id": m.span_id_of(parent) if parent else None,
        "name": m.text(row.get("name")) or "",
        "end_ns": m.moment(row.get("end_time")) or start,
    }
    rest = {f"{SOURCE}.{name}": m.inner(row, name) for name in _KEPT if row.get(name) not in (None, "", [], {})}
    rest |= {f"{SOURCE}.metadata.{name}": value for name, value in metadata.items() if not name.startswith("ls_")}
    inputs, outputs = m.inner(row, "inputs"), m.inner(row, "outputs")
    error = m.text(row.get("error"))
    if row["run_type"] not in _CALLS:
        body = m.said(inputs=m.text(inputs), outputs=m.text(outputs))
        return SpanRecord(**known, start_ns=start, scope=SOURCE, status="error" if error else "unset",
                          status_message=error or "", attributes={**rest, **body})  # fmt: skip
    told = {
        s.OPERATION_NAME: _CALLS[row["run_type"]],
        s.PROVIDER_NAME: metadata.get("ls_provider"),
        s.SESSION_ID: m.text(m.first(metadata, *_SESSIONS)),
        s.ENDUSER_ID: m.text(m.first(metadata, "user_id", "ls_user_id")),
        **_models(metadata, m.mapping(extra, "invocation_params"), outputs),
        **_usage(row, outputs),
        s.INPUT_MESSAGES: _messages(inputs, "user"),
        s.OUTPUT_MESSAGES: _messages(_answers(outputs), "assistant"),
        s.TOOL_DEFINITIONS: m.items(m.mapping(extra, "invocation_params"), "tools") or m.items(inputs, "tools") or None,
        s.ERROR_TYPE: error.partition("(")[0][:80] if error else None,
    }
    if first := m.moment(row.get("first_token_time")):
        told |= {s.TIME_TO_FIRST_TOKEN: max(0, first - start) / 1e9, s.REQUEST_STREAM: True}
    return m.call({**rest, **told}, SOURCE, start_ns=start, **known, error_message=error)


def _models(metadata: Mapping[str, Any], given: Mapping[str, Any], outputs: Any) -> dict[str, Any]:
    answered = m.first(m.mapping(outputs, "llm_output"), "model_name", "model") or m.first(
        _as_mapping(outputs), "model"
    )
    parameters = {name: value for name, value in given.items() if name in _PARAMETERS}
    for name in ("temperature", "max_tokens"):
        parameters.setdefault(name, metadata.get(f"ls_{name}"))
    told = {_PARAMETERS[name]: m.number(value) for name, value in parameters.items()}
    asked = m.first(metadata, "ls_model_name") or m.first(given, "model", "model_name")
    identity = _as_mapping(outputs).get("id")
    return {**told, s.REQUEST_MODEL: asked, s.RESPONSE_MODEL: answered or asked,
            s.RESPONSE_ID: identity if isinstance(identity, str) else None}  # fmt: skip


def _usage(row: Mapping[str, Any], outputs: Any) -> dict[str, Any]:
    usage = m.mapping(outputs, "usage_metadata") or _usage_of_message(outputs)
    inputs, answer = m.mapping(usage, "input_token_details"), m.mapping(usage, "output_token_details")
    return {
        s.USAGE_INPUT_TOKENS: m.count(m.first(usage, "input_tokens")) or m.count(row.get("prompt_tokens")),
        s.USAGE_OUTPUT_TOKENS: m.count(m.first(usage, "output_tokens")) or m.count(row.get("completion_tokens")),
        s.USAGE_CACHE_READ_INPUT_TOKENS: m.count(inputs.get("cache_read")),
        s.USAGE_CACHE_WRITE_INPUT_TOKENS: m.count(inputs.get("cache_creation")),
        s.USAGE_REASONING_OUTPUT_TOKENS: m.count(answer.get("reasoning")),
        s.USAGE_COST: m.number(row.get("total_cost")),
    }


def _usage_of_message(outputs: Any) -> Mapping[str, Any]:
    for message in _answers(outputs) if isinstance(_answers(outputs), list) else ():
        if isinstance(message, Mapping) and (usage := m.mapping(m.mapping(message, "kwargs"), "usage_metadata")):
            return usage
    return {}


def _answers(outputs: Any) -> Any:
    """The messages of an answer: of LangChain's generations, of OpenAI's choices, or as they are."""
    told = _as_mapping(outputs)
    if generations := m.items(told, "generations"):
        batch = generations[0] if isinstance(generations[0], list) else generations
        return [each.get("message") or each.get("text") for each in batch if isinstance(each, Mapping)]
    if choices := m.items(told, "choices"):
        return [
            {**each["message"], "finish_reason": each.get("finish_reason")} if isinstance(each.get("message"), Mapping)
            else each.get("text")
            for each in choices if isinstance(each, Mapping)
        ]  # fmt: skip
    return m.first(told, "messages", "message", "output", "content", "answer", "text") if told else outputs


def _messages(value: Any, role: str) -> list[Any] | None:
    """Messages in the conventions' form, of LangChain's own, a provider's, or text."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        value = m.first(value, "messages", "prompts", "prompt", "input", "question", "text") or value
    entries = value if isinstance(value, list) else [value]
    if entries and isinstance(entries[0], list):
        entries = entries[0]  # a batch, of which a run has one
    return messages_of([_plain(entry) for entry in entries], role)


def _plain(entry: Any) -> Any:
    """A message of LangChain's, with the names that everybody has."""
    if not isinstance(entry, Mapping):
        return entry
    fields = entry["kwargs"] if isinstance(entry.get("kwargs"), Mapping) else entry.get("data")
    message = dict(fields) if isinstance(fields, Mapping) else dict(entry)
    if isinstance(kind := message.pop("type", None) or (entry.get("id") or [None])[-1], str) and "role" not in message:
        message["role"] = _ROLES.get(kind, kind)
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        message["tool_calls"] = [
            {"id": each.get("id"), "name": each["name"], "arguments": each.get("args")}
            if isinstance(each, Mapping) and "args" in each and "name" in each else each
            for each in calls
        ]  # fmt: skip
    if message.get("role") != "tool":
        message.pop("id", None)
    return message


def _as_mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _feedback(row: Mapping[str, Any]) -> Iterator[Feedback]:
    run, trace, session = row.get("run_id"), row.get("trace_id"), row.get("session_id")
    if not (run or trace):
        raise m.Unusable("the feedback is about no run" + (", but about a project" if session else ""))
    by, extra = m.mapping(row, "feedback_source"), m.mapping(row, "extra")
    source, annotator = _SOURCES.get(str(by.get("type")).lower(), ("end_user", "HUMAN"))
    value, given = m.inner(row, "value"), m.verdict(row.get("score"))
    word = value if isinstance(value, str) and m.verdict(value) is None else None
    given = m.verdict(value) if given is None else given
    config = m.mapping(row, "feedback_config")
    low, high = m.number(config.get("min")), m.number(config.get("max"))
    metadata = {**m.mapping(by, "metadata"), **extra, "value": value if isinstance(value, Mapping | list) else None}
    rater = m.text(m.first(by, "user_id", "user_name")) or m.text(m.first(metadata, "rater", "user_id"))
    yield from m.opinions(
        m.identity(SOURCE, row.get("id"), run, trace, row["key"], row.get("created_at")),
        name=m.text(row["key"]),
        value=given,
        label=word,
        comment=m.text(row.get("comment")),
        correction=_correction(m.inner(row, "correction")),
        time_ns=m.moment(row.get("created_at")),
        changed_ns=m.changed(row.get("created_at"), row.get("modified_at")),
        scale=None if low is None or high is None else (float(low), float(high)),
        rater=rater,
        source=source,
        annotator_kind=annotator,
        trace_id=m.trace_id_of(trace) if trace else None,
        span_id=m.span_id_of(run) if run and run != trace else None,
        target_start_ns=m.moment(row.get("start_time")) or None,
        metadata={name: told for name, told in metadata.items() if name not in ("rater", "user_id")},
    )


def _correction(told: Any) -> str | None:
    """The corrected answer, which is a text or an object with one in it."""
    if isinstance(told, Mapping):
        texts = [value for value in told.values() if isinstance(value, str)]
        return m.text(
            m.first(told, "output", "answer", "content", "text") or (texts[0] if len(told) == 1 and texts else told)
        )
    return m.text(told)
