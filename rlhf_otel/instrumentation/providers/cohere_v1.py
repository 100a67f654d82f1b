"""The first version of cohere's chat: one message beside a history, and events of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel.instrumentation import parts
from rlhf_otel.instrumentation.bodies import readable
from rlhf_otel.instrumentation.providers.cohere_shared import given, read_finish, read_parameters, read_usage

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.records import Message, Part

_ROLES = {"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system", "TOOL": "tool"}


class ChatV1:
    """`/v1/chat`."""

    operation = "chat"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the parameters, the preamble, the history with the message, what tools answered, and the tools."""
        asked = given(body)
        read_parameters(call, asked)
        call.system = [parts.text(asked["preamble"])] if asked.get("preamble") else None
        call.input = [_message(m) for m in asked.get("chat_history") or () if isinstance(m, Mapping)]
        if asked.get("message"):
            call.input.append(parts.message("user", [parts.text(asked["message"])]))
        if results := asked.get("tool_results"):
            call.input.append(parts.message("tool", _results(results)))
        call.tools = [
            parts.function_tool(tool.get("name"), tool.get("description"), tool.get("parameter_definitions"))
            for tool in asked.get("tools") or ()
        ]

    def response(self, call: Call, result: Any) -> None:
        """Reads the answer and the usage."""
        call.response_id = result.response_id or result.generation_id
        read_usage(call, readable(result.meta))  # old versions leave it a dict
        read_finish(call, result.finish_reason)
        made = [parts.text(result.text)] if result.text else []
        made += [parts.tool_call(None, tool.name, tool.parameters) for tool in result.tool_calls or ()]
        reason = result.finish_reason.lower() if result.finish_reason else None
        call.output = [parts.message("assistant", made, reason)]

    def new_state(self) -> list[str]:
        """The pieces of the text."""
        return []

    def chunk(self, call: Call, state: list[str], chunk: Any) -> None:
        """Reads one event; the last one has the whole answer."""
        kind = chunk.event_type
        if kind == "text-generation":
            parts.gather(state, chunk.text)
            call.token()
        elif kind in ("tool-calls-chunk", "tool-calls-generation"):
            call.token()
        elif kind == "stream-start":
            call.response_id = chunk.generation_id
            call.identified()
        elif kind == "stream-end":
            call.complete = True
            self.response(call, chunk.response)
            read_finish(call, chunk.finish_reason)

    def end(self, call: Call, state: list[str]) -> None:
        """Joins the pieces of an answer that was left early."""
        if call.output is None:
            call.output = [parts.message("assistant", [parts.text("".join(state))] if state else [])]


def _message(m: Mapping[str, Any]) -> Message:
    role = _ROLES.get(str(m.get("role")), str(m.get("role", "")).lower())
    made = [parts.text(m["message"])] if m.get("message") else []
    made += [parts.tool_call(None, tool.get("name"), tool.get("parameters")) for tool in m.get("tool_calls") or ()]
    return parts.message(role, made + _results(m.get("tool_results")))


def _results(results: Any) -> list[Part]:
    """What tools answered, by the name of each."""
    return [parts.tool_response((one.get("call") or {}).get("name"), one.get("outputs")) for one in results or ()]
