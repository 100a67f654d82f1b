"""The stream of a session of a managed agent is one span, with what was asked, said and used while it was open."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import pytest

from rlhf_otel.testing import Reply, ToolCall, Usage

from .contract import answered, decoded, text, user
from .shapes import each, settle

pytestmark = pytest.mark.parametrize("kind", ["sync", "async"])


@pytest.fixture
def sessions(kind, clients):
    """The resource for sessions; skipped where this version has none."""
    found = getattr(clients["anthropic", kind].beta, "sessions", None)
    return found or pytest.skip(f"anthropic {anthropic.__version__} has no managed agents")


def test_the_stream_of_a_session(kind, sessions, llm, captured, run) -> None:
    """Closed while the agent waits for the next question, the stream is complete."""
    llm.script(Reply(text="Paris.", usage=Usage(input=5, output=3, cached=2, cache_write=1),
                     tool_calls=[ToolCall("look", '{"a": 1}')]))  # fmt: skip

    async def watch() -> None:
        stream = await settle(sessions.events.stream("sesn_1"))
        async for event in each(stream):
            if event.type == "session.status_idle":
                break
        await settle(stream.close())

    run(kind, watch())
    (span,) = captured.spans
    assert (span.name, span.kind.name) == ("invoke_agent", "CLIENT")
    call = {"type": "tool_call", "id": "sevt_4", "name": "look", "arguments": {"a": 1}}
    attributes = decoded(span.attributes)
    standard = {key: value for key, value in attributes.items() if not key.startswith(("rlhf.", "http.response."))}
    assert standard == {
        "gen_ai.operation.name": "invoke_agent", "gen_ai.provider.name": "anthropic", "server.address": "127.0.0.1",
        "gen_ai.conversation.id": "sesn_1", "gen_ai.request.stream": True,
        "gen_ai.usage.input_tokens": 8, "gen_ai.usage.output_tokens": 3, "gen_ai.usage.cache_read.input_tokens": 2,
        "gen_ai.usage.cache_write.input_tokens": 1, "gen_ai.response.finish_reasons": ["end_turn"],
        "gen_ai.input.messages": [user("Hello.")],
        "gen_ai.output.messages": [answered("stop", call, text("Paris."))],
    }  # fmt: skip
    assert (attributes["rlhf.stream.end"], attributes["rlhf.stream.chunks"]) == ("completed", 7)


def test_what_the_agents_own_tools_do(kind, sessions, llm, captured, run) -> None:
    """Tools that are run where the agent is are calls and answers of a server's tools; an error is the span's."""
    events: list[dict[str, Any]] = [
        {"type": "agent.tool_use", "id": "t-1", "name": "bash", "input": {"command": "ls"}},
        {"type": "agent.tool_result", "id": "e-2", "tool_use_id": "t-1",
         "content": [{"type": "text", "text": "a.txt"}]},
        {"type": "agent.mcp_tool_use", "id": "t-2", "name": "look", "mcp_server_name": "eyes", "input": {}},
        {"type": "session.error", "id": "e-4", "error": {
            "type": "model_overloaded_error", "message": "busy", "retry_status": {"type": "retrying"}}},
    ]  # fmt: skip
    llm.script(Reply(raw=[f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]))

    async def watch() -> int:
        return len(
            [event async for event in each(await settle(sessions.threads.events.stream("th_1", session_id="s")))]
        )

    assert run(kind, watch()) == 4
    (span,) = captured.spans
    assert (span.status.status_code.name, span.status.description) == ("ERROR", "busy")
    assert json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"] == [
        {"type": "server_tool_call", "id": "t-1", "name": "bash",
         "server_tool_call": {"type": "bash", "input": {"command": "ls"}}},
        {"type": "tool_call_response", "id": "t-1", "response": "a.txt"},
        {"type": "server_tool_call", "id": "t-2", "name": "look",
         "server_tool_call": {"type": "mcp", "input": {}, "server_name": "eyes"}},
    ]  # fmt: skip
