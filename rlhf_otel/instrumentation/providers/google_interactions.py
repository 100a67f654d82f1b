"""The interactions of google-genai 2 and 3: an input of contents or steps, and an answer in steps.

Sources: the types of `google.genai.interactions` 3.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation import parts
from rlhf_otel.instrumentation.bodies import plain

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.records import Message, Part

_PARAMETERS = {
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "max_output_tokens": semconv.REQUEST_MAX_TOKENS,
    "stop_sequences": semconv.REQUEST_STOP_SEQUENCES,
    "seed": semconv.REQUEST_SEED,
    "thinking_level": semconv.REQUEST_REASONING_LEVEL,
}
_MEDIA = ("image", "audio", "video", "document")
_ROLES = {"user_input": "user", "function_result": "tool"}
"""Kind of step -> who made it; all others are the model's."""
_CONTENTS = ("text", *_MEDIA)


def asked(body: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `create`, whether they were given one by one or as one object."""
    request = body.get("request")
    return {**(request if isinstance(request, Mapping) else {}), **body}


class Interactions:
    """`interactions.create`."""

    operation = "generate_content"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the parameters, the system instruction, the input and the tools."""
        given = asked(body)
        for name, key in _PARAMETERS.items():
            if (value := (given.get("generation_config") or {}).get(name)) is not None:
                call.attributes[key] = value
        if earlier := given.get("previous_interaction_id"):
            call.attributes[semconv.REQUEST_PREVIOUS_RESPONSE_ID] = earlier
        if agent := given.get("agent"):
            call.attributes[semconv.AGENT_ID] = agent
        if instruction := given.get("system_instruction"):
            call.system = [parts.text(instruction)]
        call.input = _messages(given.get("input"))
        call.tools = [_tool(tool) for tool in given.get("tools") or () if isinstance(tool, Mapping)]

    def response(self, call: Call, result: Any) -> None:
        """Reads the steps, the usage and how it ended; a raw response is left to the application."""
        if not hasattr(result, "steps"):
            return
        _read_head(call, result)
        call.finish_reasons = [str(result.status)]
        steps = [plain(step) for step in result.steps or ()]
        call.output = [parts.message("assistant", [part for step in steps for part in _step(step)])]

    def new_state(self) -> dict[int, tuple[dict[str, Any], list[str]]]:
        """The steps by their index, each with the pieces of its text or arguments."""
        return {}

    def chunk(self, call: Call, state: dict[int, tuple[dict[str, Any], list[str]]], chunk: Any) -> None:
        """Reads one event."""
        kind = chunk.event_type
        if kind == "step.delta":
            _read_delta(call, state.setdefault(chunk.index, ({"type": "model_output"}, [])), chunk.delta)
        elif kind == "step.start":
            state[chunk.index] = (plain(chunk.step), [])
        elif kind == "interaction.created":
            call.response_id = chunk.interaction.id
            call.identified()
        elif kind == "interaction.completed":
            call.complete = True
            _read_head(call, chunk.interaction)
            call.finish_reasons = [str(chunk.interaction.status)]

    def end(self, call: Call, state: dict[int, tuple[dict[str, Any], list[str]]]) -> None:
        """Joins the pieces of each step."""
        made = [part for _, (step, pieces) in sorted(state.items()) for part in _joined(step, "".join(pieces))]
        call.output = [parts.message("assistant", made)]


def _read_head(call: Call, interaction: Any) -> None:
    call.response_id = interaction.id
    call.response_model = interaction.model or call.response_model
    if (usage := interaction.usage) is not None:
        call.input_tokens = _sum(usage.total_input_tokens, usage.total_tool_use_tokens)
        call.output_tokens = _sum(usage.total_output_tokens, usage.total_thought_tokens)
        call.cached_tokens, call.reasoning_tokens = usage.total_cached_tokens, usage.total_thought_tokens


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _read_delta(call: Call, step: tuple[dict[str, Any], list[str]], delta: Any) -> None:
    kind = delta.type
    if kind == "thought_summary":
        parts.gather(step[1], getattr(delta.content, "text", None) or "")
        call.reasoning()
    elif kind in ("text", "arguments_delta"):
        parts.gather(step[1], (delta.text if kind == "text" else delta.arguments) or "")
        call.token()
    elif kind in _MEDIA:
        step[0].setdefault("content", []).append(plain(delta))
        call.token()


def _joined(step: dict[str, Any], pieces: str) -> list[Part]:
    if not pieces:
        return _step(step)
    if step.get("type") == "function_call":
        return _step({**step, "arguments": pieces})
    if step.get("type") == "thought":
        return [parts.reasoning(pieces)]
    return [*_step(step), parts.text(pieces)]


# --- Steps and contents -------------------------------------------------------------------------------------------


def _messages(given: Any) -> list[Message]:
    """The messages of an input: contents together as one of the user, steps one by one."""
    items = given if isinstance(given, list) else [given]
    loose = [_content(item) for item in items if isinstance(item, str) or _is_content(item)]
    steps = [item for item in items if isinstance(item, Mapping) and not _is_content(item)]
    made = [parts.message("user", loose)] if loose else []
    return made + [parts.message(_ROLES.get(str(step.get("type")), "assistant"), _step(step)) for step in steps]


def _is_content(item: Any) -> bool:
    return isinstance(item, Mapping) and item.get("type") in _CONTENTS


def _step(step: Mapping[str, Any]) -> list[Part]:
    kind = str(step.get("type"))
    if kind in ("user_input", "model_output"):
        content = step.get("content") or []
        return [_content(item) for item in (content if isinstance(content, list) else [content])]
    if kind == "thought":
        return [parts.reasoning(item.get("text")) for item in step.get("summary") or () if item.get("text")]
    if kind == "function_call":
        return [parts.tool_call(step.get("id"), step.get("name"), step.get("arguments"))]
    if kind == "function_result":
        return [parts.tool_response(step.get("call_id"), step.get("result"))]
    side = "server_tool_call_response" if kind.endswith("_result") else "server_tool_call"
    held = {key: value for key, value in step.items() if key not in ("id", "call_id", "signature")}
    return [{"type": side, "id": step.get("id") or step.get("call_id"), "name": kind, side: held}]


def _content(item: Any) -> Part:
    if isinstance(item, str):
        return parts.text(item)
    kind = item.get("type")
    if kind in _MEDIA:
        return parts.media(kind, item.get("data") or item.get("uri"), item.get("mime_type"))
    return parts.text(item.get("text")) if kind == "text" else dict(item)


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    if tool.get("type") == "function":
        return parts.function_tool(tool.get("name"), tool.get("description"), tool.get("parameters"))
    return {"type": tool.get("type"), "name": tool.get("name") or tool.get("type")}
