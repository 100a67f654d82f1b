"""What other emitters write about the same calls becomes the same interactions.

`recorded/` has what they wrote, and the script that had them write it; those that are installed here write it anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from rlhf_otel import codec
from rlhf_otel.records import Interaction
from rlhf_otel.store import Store
from rlhf_otel.store.otlp import Decoded, decode_logs, decode_traces
from rlhf_otel.store.otlp_json import logs_from_json, traces_from_json

FOLDER = Path(__file__).parent / "recorded"
RECORDED = ["logfire", "openllmetry", "openllmetry_old"]
LIVE = ["official", "openinference"]
EMITTERS = [*RECORDED, *LIVE]
CALL = {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Paris"}}


@lru_cache
def written(emitter: str) -> dict[str, Any]:
    """What `emitter` writes, in OTLP's JSON."""
    if (FOLDER / f"{emitter}.json").exists():
        return json.loads((FOLDER / f"{emitter}.json").read_text(encoding="utf-8"))
    ended = subprocess.run(
        [sys.executable, str(FOLDER / "record.py"), emitter], capture_output=True, text=True, check=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    return json.loads(ended.stdout)


def decoded(emitter: str) -> list[Decoded]:
    """The same in records, a request each."""
    told = written(emitter)
    traces = [decode_traces(traces_from_json(request)) for request in told["traces"]]
    return [*traces, *(decode_logs(logs_from_json(request)) for request in told["logs"])]


def calls(emitter: str) -> list[Interaction]:
    """The calls to OpenAI among them, as a store has them, the earliest first."""
    with Store.open(":memory:") as store:
        store.add_decoded(*decoded(emitter), *decoded(emitter))
        return [each for each in store.interactions(newest_first=False) if "claude" not in (each.request_model or "")]


@pytest.fixture(params=EMITTERS)
def emitter(request: pytest.FixtureRequest) -> str:
    """The name of an emitter."""
    return str(request.param)


def plain(part: dict[str, Any]) -> dict[str, Any]:
    """A part without what it says nothing of."""
    return {key: value for key, value in part.items() if value is not None}


def test_each_call_is_one_interaction(emitter: str) -> None:
    """Whatever its spans are called, and however many it has: operation, provider, model, answer's id and tokens."""
    made = calls(emitter)
    assert [call.operation for call in made] == ["chat"] * 5 + ["embeddings"]
    assert {call.provider for call in made} == {"openai"}
    assert [call.request_model for call in made if call.status != "error"] == [
        *["gpt-4o"] * 4, "text-embedding-3-small",
    ]  # fmt: skip
    assert [call.response_id for call in made[:4]] == [f"chatcmpl-{n}" for n in range(1, 5)]
    assert {call.response_model for call in made[:4]} == {"gpt-4o"}
    assert {(call.input_tokens, call.output_tokens) for call in (made[0], *made[2:4])} == {(12, 9)}
    assert made[5].input_tokens == 12


def test_what_was_said_is_there(emitter: str) -> None:
    """Prompts, answers, a call of a tool and what it answered, in the conventions' form."""
    first, stream, asked, told, failed, _ = calls(emitter)
    assert [message["role"] for message in first.input or ()] == ["system", "user"]
    assert [codec.prompt_text(call) for call in (first, stream, failed)] == ["Hello?"] * 3
    assert codec.text_of(first.input, "system") == "Be brief."
    assert [codec.response_text(call) for call in (first, stream, told)] == [
        "Hello there.", "one two three", "It rains.",
    ]  # fmt: skip
    assert [plain(part) for part in (asked.output or ())[0]["parts"]] == [CALL]
    assert [message["role"] for message in told.input or ()] == ["user", "assistant", "tool"]
    assert plain((told.input or ())[1]["parts"][0]) == CALL
    answered = plain((told.input or ())[2]["parts"][0])
    assert answered == {"type": "tool_call_response", "id": "call_1", "response": "yes"}
    assert "weather" in json.dumps(asked.tools)


def test_how_it_ended_is_there(emitter: str) -> None:
    """Why the model stopped, whether it was a stream, and what went wrong."""
    first, stream, asked, _, failed, _ = calls(emitter)
    assert [first.finish_reasons, stream.finish_reasons] == [("stop",), ("stop",)]
    assert asked.finish_reasons in (("tool_calls",), ("tool_call",))
    assert (first.stream, stream.stream) == (False, True)
    assert failed.status == "error" and "no such model" in (failed.error_message or "")
    assert 0 < stream.duration_s < 60


def test_nothing_is_said_twice(emitter: str) -> None:
    """What has become a field is not among the attributes as well; who wrote it is."""
    for call in calls(emitter):
        assert "otel.scope.name" in call.attributes
        assert not any("Hello" in str(value) or "Paris" in str(value) for value in call.attributes.values())


@pytest.mark.parametrize("emitter", ["openllmetry", *LIVE])
def test_a_client_that_traces_itself_makes_no_second_call(emitter: str) -> None:
    """anthropic's own span beneath an instrumentation's, in one batch, is a span and no more."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    batch = ExportTraceServiceRequest()
    for request in written(emitter)["traces"]:
        batch.MergeFrom(traces_from_json(request))
    found = decode_traces(batch)
    claude = [call for call in found.interactions if call.provider == "anthropic"]
    assert [codec.prompt_text(call) for call in claude] == ["Hello?", "Rain in Paris?"]
    assert [span.scope for span in found.spans] == ["com.anthropic.sdk.python"] * 2


def test_langfuse_says_less_of_a_call() -> None:
    """No provider and no id of the answer; the rest is there, from its own names."""
    first, stream, asked, told, failed, embedded = calls("langfuse")
    assert [codec.prompt_text(call) for call in (first, told, failed)] == ["Hello?", "Rain in Paris?", "Hello?"]
    assert [codec.response_text(call) for call in (first, stream, told)] == [
        "Hello there.", "one two three", "It rains.",
    ]  # fmt: skip
    assert [plain(part) for part in (asked.output or ())[0]["parts"]] == [CALL]
    assert {call.request_model for call in (first, stream, asked, told)} == {"gpt-4o"}
    assert (first.input_tokens, first.output_tokens, embedded.input_tokens) == (12, 9, 12)
    assert (stream.stream, stream.finish_reasons, failed.status) == (True, ("stop",), "error")
    assert stream.time_to_first_token_s is not None and 0 < stream.time_to_first_token_s < stream.duration_s
    assert embedded.operation == "embeddings" and "weather" in json.dumps(asked.tools)
