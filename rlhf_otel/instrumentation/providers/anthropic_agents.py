"""Anthropic's managed agents: the stream of what happens in a session, or in one of its threads.

One span for each stream that the application opens, as the conventions have it for an agent that runs elsewhere. What
the application sends to a session brings no answer of its own and has no span.
Sources: `resources/beta/sessions` of anthropic 2.14 and its types.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation import parts
from rlhf_otel.instrumentation.bodies import plain
from rlhf_otel.instrumentation.providers.anthropic_blocks import parts_of
from rlhf_otel.instrumentation.providers.plain import Plain

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.endpoint import Endpoint
    from rlhf_otel.records import Message, Part

MOST = 1000
"""So many parts of a session are kept at most, the newest ones: a stream may stay open for days."""

_PATH = re.compile(r"/v1/sessions/([^/?]+)/(?:events|threads/[^/?]+)/stream(?:\?|$)")
_CALLS = ("agent.tool_use", "agent.mcp_tool_use")
_RESULTS = ("agent.tool_result", "agent.mcp_tool_result")


class _Session:
    """What has happened so far."""

    __slots__ = ("asked", "said", "stop_reason")

    def __init__(self) -> None:
        self.asked: deque[Message] = deque(maxlen=MOST)
        self.said: deque[Part] = deque(maxlen=MOST)
        self.stop_reason: str | None = None


class SessionStream(Plain):
    """`GET /v1/sessions/{id}/events/stream`, and the same of a thread."""

    operation = semconv.INVOKE_AGENT

    def read_options(self, call: Call, options: Any) -> None:
        """Reads which session it is."""
        if found := _PATH.search(str(options.url)):
            call.attributes[semconv.CONVERSATION_ID] = found[1]

    def response(self, call: Call, result: Any) -> None:
        """There are events and nothing else."""

    def new_state(self) -> _Session:
        """Nothing has happened yet."""
        return _Session()

    def chunk(self, call: Call, state: _Session, chunk: Any) -> None:
        """Reads one event; a session that idles waits for the user, and has said what it had to say."""
        kind = str(chunk.type)
        if kind == "event_delta":
            call.token()
        elif kind == "user.message":
            state.asked.append(parts.message("user", parts_of(plain(chunk.content))))
        elif kind == "agent.message":
            state.said.extend(parts_of(plain(chunk.content)))
            call.token()
        elif kind in (*_CALLS, *_RESULTS, "agent.custom_tool_use"):
            state.said.extend(_tool(kind, plain(chunk)))
        elif kind == "span.model_request_end":
            _add_usage(call, chunk.model_usage)
        elif kind == "session.error":
            call.failure = (chunk.error.type, chunk.error.message)
        elif kind.startswith("session.status_"):
            call.complete = kind in ("session.status_idle", "session.status_terminated")
            state.stop_reason = plain(getattr(chunk, "stop_reason", None) or {}).get("type")

    def end(self, call: Call, state: _Session) -> None:
        """Puts together what was asked and what was said."""
        call.input = list(state.asked)
        call.finish_reasons = [state.stop_reason] if state.stop_reason else []
        call.output = [parts.message("assistant", list(state.said), state.stop_reason)] if state.said else []


def _tool(kind: str, event: Mapping[str, Any]) -> list[Part]:
    """A tool that the application runs is called as any; the others are run where the agent is."""
    if kind == "agent.custom_tool_use":
        return [parts.tool_call(event.get("id"), event.get("name"), event.get("input"))]
    if kind in _RESULTS:
        called = event.get("tool_use_id") or event.get("mcp_tool_use_id")
        named = {"type": kind.removeprefix("agent."), "tool_use_id": called, "content": event.get("content")}
        return parts_of([named])
    block = {**event, "type": "server_tool_use", "server_name": event.get("mcp_server_name")}
    return parts_of([block])


def _add_usage(call: Call, usage: Any) -> None:
    """Adds what one request of the agent's to its model took."""
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    call.cached_tokens = (call.cached_tokens or 0) + read
    call.cache_write_tokens = (call.cache_write_tokens or 0) + written
    call.input_tokens = (call.input_tokens or 0) + (usage.input_tokens or 0) + read + written
    call.output_tokens = (call.output_tokens or 0) + (usage.output_tokens or 0)


_stream = SessionStream()


def session_endpoint(path: str, method: str) -> Endpoint | None:
    """The readers of the stream of a session or a thread."""
    return _stream if method == "GET" and _PATH.search(path) else None
