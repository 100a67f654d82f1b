"""What people complain about in other instrumentations, 40: rated traffic that nobody can fine-tune with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import rlhf_otel as rlhf
from rlhf_otel import feedback
from rlhf_otel.cli.main import cli
from rlhf_otel.testing import FakeLLM, Reply, ToolCall
from tests.datasets.hosted import of_row

WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
SYSTEM = {"role": "system", "content": "Be brief."}
CALLED = {
    "role": "assistant", "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}],
}  # fmt: skip
TURNS: list[Any] = [
    SYSTEM, {"role": "user", "content": "Is it cold in Oslo?"}, CALLED,
    {"role": "tool", "tool_call_id": "c1", "content": "-5"}, {"role": "assistant", "content": "Yes, -5."},
    {"role": "user", "content": "And in Rome?"},
]  # fmt: skip
USER = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def traffic(clients: Any, llm: FakeLLM) -> None:
    """What an application did on one day, with everything that people can say of answers; and what may not be used."""
    rlhf.instrument(store="calls.db", detect_signals=False)
    create = clients["openai", "sync"].chat.completions.create

    def ask(text: str, messages: list[Any], consent: str | None = "train", session: str = "s1", **more: Any) -> Any:
        llm.script(Reply(text=text))
        with rlhf.context(session=session, consent=consent):
            return create(model="m", messages=messages, **more)

    good, bad = (ask(text, TURNS, tools=[WEATHER]) for text in ("Rome is warm.", "No idea."))
    feedback.prefer(chosen=good, rejected=bad, margin=2, rater="ann")
    feedback.record(good, True, rater="ann")
    feedback.record(bad, False, rater="ann")
    feedback.record(good, 5, scale=(1, 5), name="quality", rater="ann")
    feedback.correct(ask("Helo!", USER), "Hello!", rater="ann")
    for consent, session in (("none", "s2"), (None, "s3")):
        refused = [ask(text, USER, consent, session) for text in ("x", "y")]
        feedback.prefer(chosen=refused[0], rejected=refused[1], rater="bob")
    feedback.prefer(chosen=ask("a", USER, session="s4"), rejected=ask("b", USER, session="s4"), margin=0, rater="bob")
    with rlhf.context(session="s5", consent="train"):
        llm.script(Reply(tool_calls=[ToolCall("weather", '{"city": "Rome"}', "c2")]))
        called = create(model="m", messages=USER, tools=[WEATHER])
    feedback.record(called, True, step=0, rater="ann")
    assert rlhf.flush(timeout=30)


def exported(name: str) -> tuple[list[Any], dict[str, Any]]:
    """The rows that the command makes in a format, and what it reports."""
    ended = CliRunner().invoke(cli, ["export", "--format", name, "--store", "calls.db", "--out", name, "--json"])
    assert ended.exit_code == 0, ended.output
    rows = [json.loads(line) for line in Path(name, "train.jsonl").read_text(encoding="utf-8").splitlines()]
    return rows, json.loads(ended.stdout)


PAIRED = {("Rome is warm.", "No idea."), ("Hello!", "Helo!")}
EXPECTED = {
    "dpo": PAIRED, "reward": PAIRED, "openai-dpo": PAIRED, "kto": {("Rome is warm.", True), ("No idea.", False)},
    "sft": {("Rome is warm.",), ("Hello!",)}, "openai-chat": {("Rome is warm.",), ("Hello!",)},
    "prm": {('weather({"city":"Rome"})', True)},
}  # fmt: skip


def said(name: str, row: Any) -> tuple[Any, ...]:
    """What a row says of its answers."""
    if name == "prm":
        return row["completions"][0], row["labels"][0]
    if name == "openai-chat":
        return (row["messages"][-1]["content"],)
    sides = ("chosen", "rejected", "preferred_output", "non_preferred_output", "completion")
    label = (row["label"],) if name == "kto" else ()
    return (*(row[side][-1]["content"] for side in sides if side in row), *label)


@pytest.mark.parametrize("name", EXPECTED)
def test_40_rated_traffic_becomes_training_data(traffic: None, name: str) -> None:
    """Each format has exactly the rows that were said, with all turns and tools; ties and refusals are counted."""
    rows, report = exported(name)
    assert {said(name, row) for row in rows} == EXPECTED[name] and len(rows) == len(EXPECTED[name])
    assert all(stage["in"] == stage["out"] + sum(stage["dropped"].values()) for stage in report["stages"])
    if name.startswith("openai"):
        assert [list(of_row(row)) for row in rows] == [[], []]
    if name in ("dpo", "reward", "kto", "sft"):
        prompt, tools = next((row["prompt"], row["tools"]) for row in rows if len(row["prompt"]) == len(TURNS))
        assert [message["role"] for message in prompt] == [message["role"] for message in TURNS]
        assert prompt[2]["tool_calls"][0]["function"] == {"name": "weather", "arguments": {"city": "Oslo"}}
        assert tools == [WEATHER]
    if name == "dpo":
        held_back = report["stages"][0]["dropped"]
        assert (held_back["consent was refused"], held_back["no consent is known"]) == (2, 2)
        assert report["stages"][2]["dropped"] == {"a tie": 1}
