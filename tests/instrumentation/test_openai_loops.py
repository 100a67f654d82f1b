"""OpenAI's own loops around tools: one span for each request that they make, and nothing of the loop itself."""

from __future__ import annotations

import json

import openai
import pytest

from rlhf_otel.testing import Reply, ToolCall

from .contract import WEATHER
from .shapes import settle

loops = pytest.importorskip("openai.lib.responses_tool_runner")
decisions = pytest.importorskip("openai.lib.decisions_tool_runner")
pytestmark = pytest.mark.skipif(int(openai.__version__.partition(".")[0]) < 3, reason="the runners are newer")
each_kind = pytest.mark.parametrize("kind", ["sync", "async"])
TOOL = {"type": "function", "name": "weather", "description": "Looks out.", "parameters": WEATHER, "strict": True}
ASK = {"model": "gpt-5", "input": "Weather in Paris?"}


def runner(kind):
    """A runner with one tool."""
    prefix = "Async" if kind == "async" else ""

    async def look_out(arguments):
        return f"snow in {arguments['city']}"

    def look_out_now(arguments):
        return f"snow in {arguments['city']}"

    function = getattr(loops, f"{prefix}RegisteredFunction")(TOOL, look_out if prefix else look_out_now)
    return getattr(loops, f"{prefix}ResponsesToolRunner")(functions=[function])


@pytest.mark.parametrize("stream", [False, True])
@each_kind
def test_each_request_of_a_tool_runner_is_a_call(kind, stream, llm, clients, run, captured):
    """The request that asks for a tool and the one that brings its answer are two spans, plain or streamed."""
    llm.script(Reply(tool_calls=[ToolCall("weather", '{"city": "Paris"}', "call_1")]), Reply(text="Snow."))

    async def loop():
        return await settle(runner(kind).run(clients["openai", kind], dict(ASK), stream=stream))

    assert run(kind, loop()).output_text == "Snow."
    first, second = captured.spans
    assert [span.name for span in captured.spans] == ["chat gpt-5", "chat gpt-5"]
    assert [span.attributes.get("gen_ai.request.stream", False) for span in captured.spans] == [stream, stream]
    assert first.attributes["gen_ai.response.finish_reasons"] == ("tool_calls",)
    asked = json.loads(second.attributes["gen_ai.input.messages"])
    assert asked[-1]["parts"] == [{"type": "tool_call_response", "id": "call_1", "response": "snow in Paris"}]


@each_kind
def test_each_question_of_a_decisions_runner_is_a_call(kind, llm, clients, run, captured):
    """A choice between actions is one span for each time that the model is asked."""
    prefix = "Async" if kind == "async" else ""
    done = []

    async def act():
        done.append("acted")

    def candidates(_):
        return [
            {"id": "act", "description": "Do it.", "execute": act if prefix else lambda: done.append("acted")},
            {"id": "stop", "description": "Enough.", "done": True},
        ][len(done) :]

    async def look():
        return "It rains."

    async def awaited(seen):
        return candidates(seen)

    made = getattr(decisions, f"{prefix}DecisionsToolRunner")
    loop = (
        made(observe=look, candidates=awaited) if prefix else made(observe=lambda: "It rains.", candidates=candidates)
    )

    async def whole():
        return await settle(loop.run(clients["openai", kind], {"model": "gpt-5", "input": "Stay dry."}))

    assert run(kind, whole())["completed_candidate_ids"] == ["act"]
    assert [span.name for span in captured.spans] == ["decision gpt-5"]
    assert len(llm.requests) == 1
