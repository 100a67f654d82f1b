"""What we export comes back as it was."""

from __future__ import annotations

import csv
import dataclasses
import io
import json

import pytest
from hypothesis import given

from rlhf_otel import views
from rlhf_otel.cells import guarded, unguarded
from rlhf_otel.importers import exact
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store import Store
from tests.store.test_round_trip import feedback, interactions, some, text

FORMULA = '=HYPERLINK("http://evil.example","x")'
CALL = Interaction(
    trace_id="4bf92f3577b34da6a3ce929d0e0e4736", span_id="00f067aa0ba902b7", start_ns=1_795_168_800_123_456_789,
    end_ns=1_795_168_801_000_000_001, parent_span_id="00f067aa0ba902b0", name="chat m", operation="chat",
    provider="openai", request_model="m", response_model="m-1", response_id="chatcmpl-1", stream=True,
    stream_end="completed", stream_chunks=7, stream_max_gap_s=0.25, time_to_first_chunk_s=0.1,
    time_to_first_token_s=0.2, time_to_first_reasoning_s=0.15, time_to_headers_s=0.05, input_tokens=3, output_tokens=2,
    cached_tokens=1, cache_write_tokens=0, reasoning_tokens=1, usage_estimated=True, finish_reasons=("stop",),
    retries=2, status="ok", error_type="E", error_message="-1 of \x00", session="@s", user="u", anonymous_user="anon",
    message_id="m-1", variant="B", consent="eval", context={"plan": "free"}, attributes={"x": [1, 2.5], "y": "é"},
    resource={"service.name": "shop"}, system=[], tools=[{"name": "t"}],
    input=[{"role": "user", "parts": [{"type": "text", "content": FORMULA + "\r\n\ttail "}]}],
    output=[{"role": "assistant", "parts": [{"type": "text", "content": "\ud83d half"}], "finish_reason": "stop"}],
)  # fmt: skip
SAID = [
    Feedback(id="f1", name="user_feedback", kind="binary", time_ns=1_795_168_802_000_000_003, value=True, rater="u1",
             trace_id=CALL.trace_id, span_id=CALL.span_id, target_start_ns=CALL.start_ns, comment=FORMULA),
    Feedback(id="f2", name="user_feedback", kind="binary", time_ns=1_795_168_803_000_000_003, value=False, rater="u1",
             span_id=CALL.span_id, comment="'quoted", metadata={"a": {"b": [1]}}),
    Feedback(id="f3", name="rating", kind="rating", time_ns=1_795_168_804_000_000_003, value=4, scale=(1.0, 5.0),
             message_id="m-1", range=(1, 3), quote="al", step=2, annotator_kind="LLM", source="agent", label="4/5"),
    Feedback(id="f4", name="user_feedback", kind="retraction", time_ns=1_795_168_805_000_000_003, retracts="f3"),
    Feedback(id="f5", name="ranking", kind="ranking", time_ns=1_795_168_806_000_000_003,
             ranking=("00f067aa0ba902b7", "00f067aa0ba902b8"), session="conv", turn=1),
]  # fmt: skip


def copied(path) -> tuple[list[Interaction], list[Feedback]]:
    """Everything that a store has."""
    with Store.open(path) as store:
        return list(store.interactions(newest_first=False)), list(store.all_feedback())


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_export_and_import_are_the_identity(form, run, tmp_path) -> None:
    """Calls with all fields, feedback with its history and what was taken back, in another store as in this one."""
    with Store.open(tmp_path / "a.db") as store:
        store.add([CALL], SAID)
    assert run("export", "--all", "--format", form, "--out", "copy", "--store", "a.db").exit_code == 0
    result = run("import", "copy", "--store", "b.db")
    assert (result.exit_code, result.stderr) == (0, "")
    assert copied("b.db") == copied("a.db") == ([CALL], SAID)
    with Store.open("b.db") as other, Store.open("a.db") as store:
        assert other.history(CALL) == store.history(CALL)
        assert [entry.action for entry in store.audited()] == ["export"]


@some
@given(interactions | feedback)
def test_a_line_and_a_row_hold_any_record_exactly(record) -> None:
    """Whatever the fields hold: tuples, bytes, halves of characters, numbers of any size, text like a formula."""
    line = exact.line_of(record)
    assert repr(exact.record_of(json.loads(line.encode()))) == repr(exact.record_of(json.loads(line))) == repr(record)
    kind = "feedback" if isinstance(record, Feedback) else "interaction"
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(exact.cells_of(record))
    assert not any(cell.startswith(("=", "+", "@", "\t", "\r")) for cell in exact.cells_of(record))
    (cells,) = csv.reader(io.StringIO(file.getvalue().encode().decode(), newline=""))
    row = {name: cell for name, cell in zip(exact.COLUMNS[kind], cells, strict=True) if cell}
    if exact.kind_of(row) == kind:  # without its ids nobody can tell what a row is
        assert repr(exact.record_of(row)) == repr(record)


@given(text)
def test_a_guarded_cell_comes_back_as_it_was(told) -> None:
    """No cell begins as a formula does, and the mark is taken away again, also where the text had one."""
    assert unguarded(guarded(told)) == told
    assert not guarded(told).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_a_call_as_json_shows_it_comes_back_with_all_fields() -> None:
    """`traces --json` and `show --json` lose nothing of a call, nor of the feedback that they show."""
    shown = json.loads(json.dumps(views.interaction_json(CALL, SAID)))
    assert views.interaction_of(shown) == CALL
    assert [views.feedback_of(each) for each in shown["feedback"]] == SAID


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("traces", "--json"), "calls.json"),
        (("traces", "--jsonl"), "calls.jsonl"),
        (("show", CALL.span_id, "--json"), "call.json"),
        (("export", "--format", "jsonl", "--purpose", "eval", "--out", "rows"), "rows/train.jsonl"),
    ],
)
def test_what_shows_calls_can_be_imported(words, name, run, tmp_path) -> None:
    """The calls with all fields, and the feedback that counts on them."""
    call = (
        CALL if words[0] != "export" else dataclasses.replace(CALL, output=CALL.input)
    )  # rows have no half characters
    with Store.open(tmp_path / "a.db") as store:
        store.add([call], SAID)
        counts = store.feedback_on([call])[call.span_id]
    result = run(*words, "--store", "a.db")
    if not (tmp_path / name).exists():
        (tmp_path / name).write_text(result.stdout, encoding="utf-8")
    assert run("import", name, "--store", "b.db").exit_code == 0
    assert copied("b.db") == ([call], counts)


@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_listed_feedback_can_be_imported(form, run, tmp_path) -> None:
    """All that counts comes back equal; in a table, what it has columns for."""
    with Store.open(tmp_path / "a.db") as store:
        store.add([CALL], SAID)
    listed = run("feedback", "--list", form, "--store", "a.db").stdout
    (tmp_path / f"said.{form}").write_text(listed, encoding="utf-8", newline="")
    assert run("import", f"said.{form}", "--store", "b.db").exit_code == 0
    assert {f.id for f in copied("b.db")[1]} == {"f2", "f5"}
    back = {f.id: f for f in copied("b.db")[1]}
    if form == "csv":
        assert (back["f2"].value, back["f2"].comment, back["f2"].metadata) == (False, "'quoted", {"a": {"b": [1]}})
    else:
        assert [back["f2"], back["f5"]] == [SAID[1], SAID[4]]
