"""What each product's export has beside what all have: every form that it comes in, and what is kept as metadata."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from rlhf_otel.codec import prompt_text, response_text
from rlhf_otel.importers import making
from rlhf_otel.importers.langfuse import read as read_langfuse
from rlhf_otel.store import Store
from tests.importers.conftest import EXPORTS

AT = "2026-11-20T10:00:00.123456Z"
AT_NS = 1_795_168_800_123_456_000
SPAN, TRACE = "00f067aa0ba902b7", "4bf92f3577b34da6a3ce929d0e0e4736"


def rows(path) -> list[dict]:
    """The rows of an export."""
    text = (EXPORTS / path).read_text(encoding="utf-8")
    return json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]


def table(rows: list[dict]) -> str:
    """`rows` as a table, what is structured in it as JSON."""
    file = io.StringIO(newline="")
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(file, names)
    writer.writeheader()
    for row in rows:
        writer.writerow({k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in row.items()})
    return file.getvalue()


def test_langfuse_traces_of_the_api_bring_all_that_stands_in_them(taken) -> None:
    """Observations and scores within a trace, which says user and session for them; in camelCase."""
    trace = {
        "id": TRACE, "timestamp": AT, "name": "support", "userId": "u1", "sessionId": "conv", "release": "1.2",
        "bookmarked": False, "tags": ["web"],
        "observations": [
            {"id": SPAN, "traceId": TRACE, "type": "GENERATION", "startTime": AT, "endTime": "2026-11-20T10:00:01Z",
             "completionStartTime": "2026-11-20T10:00:00.623456Z", "model": "gpt-5", "level": "ERROR",
             "statusMessage": "rate limit", "input": {"messages": [{"role": "user", "content": "hi"}]}, "output": None,
             "modelParameters": {"temperature": 0.5}, "usageDetails": {"input": 3}},
            {"id": "tool-1", "traceId": TRACE, "type": "TOOL", "startTime": AT, "name": "search", "output": "found"},
        ],
        "scores": [
            {"id": "s1", "name": "clear", "dataType": "CATEGORICAL", "stringValue": "yes", "value": 1, "source": "EVAL",
             "timestamp": AT, "comment": "judge says", "metadata": {"model": "gpt-5"}},
        ],
    }  # fmt: skip
    (call,), (said,) = taken([trace])
    assert (call.trace_id, call.span_id, call.session, call.user) == (TRACE, SPAN, "conv", "u1")
    assert (call.start_ns, call.time_to_first_token_s, call.stream) == (AT_NS, 0.5, True)
    assert (call.status, call.error_message, prompt_text(call), call.output) == ("error", "rate limit", "hi", None)
    assert (call.attributes["gen_ai.request.temperature"], call.attributes["langfuse.tags"]) == (0.5, ["web"])
    assert (said.kind, said.value, said.comment, said.annotator_kind, said.source) == (
        "categorical", "yes", "judge says", "LLM", "builder",
    )  # fmt: skip
    assert (said.trace_id, said.span_id, said.metadata["model"]) == (TRACE, "", "gpt-5")
    with Store.open("calls.db") as store:
        assert [f.id for f in store.feedback_on([call])[SPAN]] == ["langfuse:s1"]
        (step,) = store.spans(TRACE)
    assert (step.name, step.attributes["output"], step.attributes["langfuse.type"]) == ("search", "found", "TOOL")


def test_langfuse_scores_of_the_newest_api_name_their_subject(taken) -> None:
    """Which is an observation, a trace or a session; a comment on one is feedback as well."""
    score = {"name": "clear", "dataType": "BOOLEAN", "value": True, "source": "ANNOTATION", "timestamp": AT,
             "authorUserId": "ben", "environment": "default"}  # fmt: skip
    _, found = taken([
        {**score, "id": "1", "subject": {"kind": "observation", "id": SPAN, "traceId": TRACE}},
        {**score, "id": "2", "subject": {"kind": "trace", "id": TRACE}},
        {**score, "id": "3", "subject": {"kind": "session", "id": "conv"}},
        {**score, "id": "4", "dataType": "TEXT", "value": "too long", "subject": {"kind": "trace", "id": TRACE}},
        {"id": "5", "objectType": "TRACE", "objectId": TRACE, "content": "look", "createdAt": AT,
         "authorUserId": "ann"},
    ])  # fmt: skip
    assert [(f.trace_id, f.span_id, f.session) for f in found] == [
        (TRACE, SPAN, None), (TRACE, "", None), ("", "", "conv"), (TRACE, "", None), (TRACE, "", None),
    ]  # fmt: skip
    assert [(f.kind, f.value, f.comment, f.rater, f.source) for f in found[2:]] == [
        ("binary", True, None, "ben", "annotator"),
        ("comment", None, "too long", "ben", "annotator"),
        ("comment", None, "look", "ann", "annotator"),
    ]


def test_langfuse_ids_that_are_no_trace_ids_are_hashed_as_its_library_does() -> None:
    """Which makes `create_trace_id(seed=...)` of them; a UUID is a trace id already."""
    assert making.trace_id_of("018F0000-0000-7000-8000-0000000000a1") == "018f0000000070008000000000" + "0000a1"
    assert making.trace_id_of("seed") == "19b25856e1c150ca834cffc8b59b23ad"
    assert making.span_id_of("seed") == "19b25856e1c150ca"


@pytest.mark.parametrize("product", ["langfuse", "langsmith", "phoenix"])
def test_tables_say_the_same_as_json(product, run, tmp_path) -> None:
    """CSV, in which structures are JSON, gives equal calls and feedback."""
    for path in sorted((EXPORTS / product).iterdir()):
        (tmp_path / f"{path.stem}.csv").write_text(table(rows(path)), encoding="utf-8", newline="")
    run("import", EXPORTS / product, "--store", "a.db")
    result = run("import", *sorted(tmp_path.glob("*.csv")), "--store", "b.db")
    assert (result.exit_code, result.stderr) == (0, run("import", EXPORTS / product, "--dry-run").stderr)
    with Store.open("a.db") as one, Store.open("b.db") as other:
        calls, same = list(one.interactions()), list(other.interactions())
        assert [(c.input, c.output, c.input_tokens, c.start_ns) for c in same] == [
            (c.input, c.output, c.input_tokens, c.start_ns) for c in calls
        ]
        said = [(f.id, f.score, f.comment, f.correction, f.rater, f.span_id, f.time_ns) for f in one.all_feedback()]
        assert [
            (f.id, f.score, f.comment, f.correction, f.rater, f.span_id, f.time_ns) for f in other.all_feedback()
        ] == said


def test_langsmith_feedback_on_the_whole_is_about_the_call_in_it(taken) -> None:
    """On the first run, and on a chain beneath it; the chains are kept as spans, with their words."""
    trace, chain, run = (f"018f0000-0000-7000-8000-00000000000{n}" for n in (1, 2, 3))
    run_of = {"start_time": AT, "trace_id": trace, "name": "r", "extra": {}}
    opinion = {"key": "score", "trace_id": trace, "created_at": AT, "value": None, "comment": None}
    calls, found = taken([
        {**run_of, "id": trace, "run_type": "chain", "inputs": {"q": "hi"}},
        {**run_of, "id": chain, "run_type": "chain", "parent_run_id": trace},
        {**run_of, "id": run, "run_type": "llm", "parent_run_id": chain, "outputs": {"choices": [
            {"message": {"role": "assistant", "content": None, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}]},
             "finish_reason": "tool_calls"}], "model": "gpt-5", "id": "chatcmpl-9",
            "usage_metadata": {"input_tokens": 5}},
         "inputs": {"messages": [{"role": "user", "content": "hi"}], "model": "gpt-5"}, "error": "Boom('x')"},
        {**opinion, "id": "f1", "run_id": trace, "score": 1},
        {**opinion, "id": "f2", "run_id": chain, "key": "judged", "score": 0.5, "feedback_source": {"type": "model"}},
        {**opinion, "id": "f3", "run_id": run, "key": "word", "value": "good", "correction": "hello",
         "feedback_config": None, "extra": {"page": 3}},
    ])  # fmt: skip
    (call,) = calls
    assert (call.response_id, call.response_model, call.input_tokens, call.error_type) == (
        "chatcmpl-9",
        "gpt-5",
        5,
        "Boom",
    )
    assert call.output == [{"role": "assistant", "finish_reason": "tool_calls", "parts": [
        {"type": "tool_call", "name": "f", "id": "c1", "arguments": {"a": 1}}]}]  # fmt: skip
    with Store.open("calls.db") as store:
        on = store.feedback_on(calls)[call.span_id]
        assert sorted(f.id for f in on) == ["langsmith:f1", "langsmith:f2", "langsmith:f3", "langsmith:f3:correction"]
        assert {span.attributes.get("inputs") for span in store.spans(call.trace_id)} == {'{"q":"hi"}', None}
    assert [(f.value, f.annotator_kind, f.metadata) for f in found[1:3]] == [
        (0.5, "LLM", {"rated_span": making.span_id_of(chain)}), ("good", "HUMAN", {"page": 3}),
    ]  # fmt: skip


def test_phoenix_spans_of_the_api_are_those_of_the_data_frame(run) -> None:
    """Nested as its REST API has them, or a frame by its columns: the same calls."""
    for name, made in (("api.json", [api_span(row) for row in rows("phoenix/spans.json")]),
                       ("frame.json", columns(rows("phoenix/spans.json")))):  # fmt: skip
        told = {"data": made, "next_cursor": None} if name == "api.json" else made
        Path(name).write_text(json.dumps(told, indent=2), encoding="utf-8")
    for name in ("api.json", "frame.json", EXPORTS / "phoenix/spans.json"):
        assert run("import", name, "--store", f"{len(str(name))}.db").exit_code == 0
    found = []
    for name in ("api.json", "frame.json", EXPORTS / "phoenix/spans.json"):
        with Store.open(f"{len(str(name))}.db") as store:
            found.append(
                [(c.span_id, prompt_text(c), response_text(c), c.input_tokens, c.session) for c in store.interactions()]
            )
    assert found[0] == found[1] == found[2]
    assert found[0][0] == ("00f067aa0ba902b3", "What is the capital of Italy?", "Rome, since 1871.", 14, "conv-2")


def api_span(row: dict) -> dict:
    """A row of the frame as `GET /v1/projects/.../spans` has it."""
    attributes = {k.removeprefix("attributes."): v for k, v in row.items() if k.startswith("attributes.")}
    for name in ("llm.input_messages", "llm.output_messages"):
        for place, message in enumerate(attributes.pop(name)):
            attributes |= {f"{name}.{place}.{key}": value for key, value in message.items()}
    attributes["metadata"] = json.dumps(attributes["metadata"])
    plain = {k: row[k] for k in ("name", "span_kind", "parent_id", "start_time", "end_time", "status_code", "events")}
    return {
        **plain,
        "attributes": attributes,
        "context": {"span_id": row["context.span_id"], "trace_id": row["context.trace_id"]},
    }


def columns(frame: list[dict]) -> dict:
    """Rows as `DataFrame.to_json()` has them, with the span id as its index."""
    names = [name for name in frame[0] if name != "context.span_id"]
    return {name: {row["context.span_id"]: row[name] for row in frame} for name in names}


def test_phoenix_annotations_keep_who_and_what(taken) -> None:
    """On spans, traces and sessions; by people in its pages, by programs and by models; notes too."""
    base = {"name": "helpful", "annotator_kind": "HUMAN", "identifier": "", "created_at": AT, "updated_at": AT,
            "metadata": {"n": 1}}  # fmt: skip
    _, found = taken([
        {**base, "id": "a", "span_id": SPAN, "result": {"label": "yes", "score": 1, "explanation": "clear"},
         "source": "APP", "user_id": "VXNlcjox", "identifier": "px-app:VXNlcjox"},
        {**base, "id": "b", "trace_id": TRACE, "annotator_kind": "LLM", "result": {"score": 0.25}, "source": "API"},
        {**base, "id": "c", "session_id": "conv", "annotator_kind": "CODE", "result": {"label": "long"},
         "source": "API"},
    ])  # fmt: skip
    assert [(f.kind, f.value, f.label, f.annotator_kind, f.source, f.rater) for f in found] == [
        ("binary", True, "yes", "HUMAN", "annotator", "VXNlcjox"),
        ("score", 0.25, None, "LLM", "end_user", None),
        ("categorical", "long", "long", "CODE", "end_user", None),
    ]
    assert [(f.span_id, f.trace_id, f.session) for f in found] == [
        (SPAN, "", None),
        ("", TRACE, None),
        ("", "", "conv"),
    ]


def test_open_webui_arena_votes_are_preferences_too(taken) -> None:
    """Against each model that answered beside it; the losing answer is a call as well."""
    (item, *_) = rows("open-webui/feedback-history-export.json")
    messages = item["snapshot"]["chat"]["chat"]["history"]["messages"]
    mine, asked = item["meta"]["message_id"], next(key for key in messages if key != item["meta"]["message_id"])
    messages["other"] = {
        **messages[mine],
        "id": "other",
        "model": "arena-model",
        "selectedModelId": "llama",
        "content": "Lyon.",
    }
    messages[asked]["childrenIds"].append("other")
    item["data"] |= {"rating": -1, "sibling_model_ids": ["llama"]}
    item["meta"]["arena"] = True
    calls, found = taken([item])
    assert sorted((c.response_model, response_text(c)) for c in calls) == [("gpt-5-mini", "Paris."), ("llama", "Lyon.")]
    preferred = next(f for f in found if f.kind == "preference")
    by_id = {c.span_id: response_text(c) for c in calls}
    assert (by_id[preferred.chosen], by_id[preferred.rejected], preferred.rater) == ("Lyon.", "Paris.", "user-1")
    thumb = next(f for f in found if f.kind == "binary")
    assert (thumb.value, thumb.metadata["sibling_model_ids"], thumb.metadata["arena"]) == (False, ["llama"], True)
    assert (thumb.metadata["reason"], thumb.metadata["tags"]) == ("accurate_information", ["geography"])


def test_open_webui_chats_bring_every_answer_and_the_ratings_on_them(taken) -> None:
    """The same calls as the export of feedback, with the whole conversation before each."""
    chat = rows("open-webui/chat-export.json")[0]
    messages = chat["chat"]["history"]["messages"]
    answer = next(message for message in messages.values() if message["role"] == "assistant")
    answer |= {
        "feedbackId": "dddddddd-0000-4000-8000-000000000000",
        "childrenIds": ["q2"],
        "annotation": {"rating": "1", "reason": "other", "comment": "fine", "tags": [], "details": {"rating": 9}},
    }
    messages["q2"] = {
        "id": "q2",
        "parentId": answer["id"],
        "childrenIds": ["a2"],
        "role": "user",
        "content": "And then?",
    }
    messages["a2"] = {"id": "a2", "parentId": "q2", "childrenIds": [], "role": "assistant", "content": "", "model": "m",
                      "timestamp": 1795169000, "error": {"content": "out of credit"}}  # fmt: skip
    calls, found = taken([chat])
    assert [(c.session, c.status, c.error_message) for c in calls] == [
        (chat["id"], "unset", None), (chat["id"], "error", "out of credit"),
    ]  # fmt: skip
    assert [message["role"] for message in calls[1].input] == ["user", "assistant", "user"]
    assert [(f.id, f.kind, f.score) for f in found] == [
        ("open-webui:dddddddd-0000-4000-8000-000000000000", "binary", 1.0),
        ("open-webui:dddddddd-0000-4000-8000-000000000000:rating", "rating", 8 / 9),
    ]
    assert found[0].message_id == calls[0].message_id == answer["id"]


def test_open_webui_feedback_as_a_table_names_the_chat(taken) -> None:
    """Its CSV has no message: the feedback is about the session."""
    table = (
        "id,user_id,chat_id,model_id,sibling_model_ids,rating,reason,comment,created_at,updated_at\n"
        'f1,u1,chat-1,gpt-5,llama;qwen,-1,too_verbose,"no, ""really""",1795168800,1795168900\n'
    )
    _, (said,) = taken(table, name="feedback.csv")
    assert (said.session, said.value, said.comment, said.rater) == ("chat-1", False, 'no, "really"', "u1")
    assert (said.metadata["sibling_model_ids"], said.metadata["reason"]) == (["llama", "qwen"], "too_verbose")
    assert (said.id, said.time_ns) == ("open-webui:f1#1795168900000000000", 1_795_168_900_000_000_000)


def test_argilla_datasets_of_hugging_face_are_flat(taken) -> None:
    """Two people, one who discarded; a suggestion of a model with its score; chat fields; the call that it names."""
    row = {
        "id": "r1", "status": "completed", "_server_id": "x", "chat": [
            {"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}],
        "quality.responses": [4, 1], "quality.responses.users": ["ann", "bob"],
        "quality.responses.status": ["submitted", "discarded"],
        "quality.suggestion": 3,
        "quality.suggestion.agent": "judge",
        "quality.suggestion.score": 0.9, "why.responses": ["friendly"], "why.responses.users": ["ann"],
        "why.responses.status": ["submitted"], "model": "gpt-5",
    }  # fmt: skip
    calls, found = taken([row], "--scale", "quality=1-5")
    assert (prompt_text(calls[0]), response_text(calls[0]), calls[0].request_model) == ("hi", "hello", "gpt-5")
    assert [(f.kind, f.value, f.scale, f.rater, f.comment, f.annotator_kind) for f in found] == [
        ("rating", 4, (1, 5), "ann", "friendly", "HUMAN"), ("rating", 3, (1, 5), "judge", None, "LLM"),
    ]  # fmt: skip
    assert found[1].metadata["confidence"] == 0.9
    linked = {**row, "id": "r2", "span_id": SPAN, "trace_id": TRACE}
    calls, found = taken([linked])
    assert [f.span_id for f in found[2:]] == [SPAN, SPAN]


def test_a_row_that_lacks_what_it_needs_says_what() -> None:
    """In words that whoever made the export understands."""
    with pytest.raises(making.Unusable, match="names no observation, no trace and no session"):
        list(read_langfuse({"name": "x", "dataType": "NUMERIC", "value": 1, "timestamp": AT}))


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (AT, AT_NS), ("2026-11-20 10:00:00.123456", AT_NS), ("2026-11-20T11:00:00.123456+01:00", AT_NS),
        ("2026-11-20 10:00:00.123456789+00:00", AT_NS + 789), (1795168800, 1_795_168_800_000_000_000),
        (1795168800.5, 1_795_168_800_500_000_000), (1795168800123, 1_795_168_800_123_000_000),
        (1795168800123456, AT_NS), ("1795168800", 1_795_168_800_000_000_000), (AT_NS, AT_NS), ("soon", 0), (None, 0),
        (float("nan"), 0), (-1, 0), (True, 0),
    ],
)  # fmt: skip
def test_times_are_read_in_every_form(told, meant) -> None:
    """ISO text with or without a zone and to the nanosecond, seconds, milliseconds, microseconds, nanoseconds."""
    assert making.moment(told) == meant
