"""What is asked of google-genai: contents, parts and tools, as plain values in either of the SDK's spellings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel.instrumentation import parts

if TYPE_CHECKING:
    from rlhf_otel.records import Message, Part

_ROLES = {"model": "assistant", "function": "tool"}


def camel(value: Mapping[str, Any], name: str) -> Any:
    """What `value` has by `name`, or by the same name in camel case."""
    found = value.get(name)
    if found is None and "_" in name:
        first, *rest = name.split("_")
        found = value.get(first + "".join(map(str.capitalize, rest)))
    return found


def messages(contents: Any) -> list[Message]:
    """The messages of `contents`: whole contents by themselves, loose parts together as one of the user."""
    made: list[Message] = []
    loose: list[Part] = []
    for item in contents if isinstance(contents, list) else [contents]:
        is_content = isinstance(item, Mapping) and ("parts" in item or "role" in item)
        if isinstance(item, list):
            made += [*_by_user(loose), *messages(item)]
            loose = []
        elif is_content:
            made += [*_by_user(loose), _message(item)]
            loose = []
        elif item is not None:
            loose.append(part(item))
    return [*made, *_by_user(loose)]


def system(instruction: Any) -> list[Part] | None:
    """The parts of a system instruction, which may be whatever contents may be."""
    if instruction is None:
        return None
    return [one for message in messages(instruction) for one in message["parts"]]


def _by_user(loose: list[Part]) -> list[Message]:
    return [parts.message("user", loose)] if loose else []


def _message(content: Mapping[str, Any]) -> Message:
    given = content.get("parts") or []
    made = [part(one) for one in (given if isinstance(given, list) else [given])]
    role = str(content.get("role") or "user")
    if made and all(one["type"] == "tool_call_response" for one in made):
        role = "tool"
    return parts.message(_ROLES.get(role, role), made)


def output(value: Any) -> Part:
    """A part of an answer, an object of the SDK that is not text."""
    return part(value.model_dump(exclude_none=True))


def part(value: Any) -> Part:
    """One part: text, media, a call of a tool or its answer, code or what came of it."""
    if not isinstance(value, Mapping):
        return parts.text(value)
    if (text := value.get("text")) is not None:
        return parts.reasoning(text) if value.get("thought") else parts.text(text)
    if (blob := camel(value, "inline_data")) is not None:
        return _media(blob.get("data"), camel(blob, "mime_type"))
    if (held := camel(value, "file_data")) is not None:
        return _media(camel(held, "file_uri"), camel(held, "mime_type"))
    if (call := camel(value, "function_call")) is not None:
        return parts.tool_call(call.get("id"), call.get("name"), call.get("args"))
    if (answer := camel(value, "function_response")) is not None:
        return parts.tool_response(answer.get("id") or answer.get("name"), answer.get("response"))
    if value.get("uri"):  # a file that was uploaded before
        return _media(value["uri"], camel(value, "mime_type"))
    return _by_the_service(value)


_BY_THE_SERVICE = {
    "executable_code": "server_tool_call",
    "tool_call": "server_tool_call",
    "code_execution_result": "server_tool_call_response",
    "tool_response": "server_tool_call_response",
}


def _by_the_service(value: Mapping[str, Any]) -> Part:
    """What the service called itself and what came of it; anything else as it is, without what is not set."""
    for name, kind in _BY_THE_SERVICE.items():
        if (held := camel(value, name)) is not None:
            return {"type": kind, "id": held.get("id"), "name": name, kind: {"type": name, **_set(held)}}
    kept = _set(value)
    return {"type": next(iter(kept), "unknown"), **kept}


def _set(value: Mapping[str, Any]) -> dict[str, Any]:
    """What of `value` is set and is no bytes, which do not travel."""
    return {key: _plain(item) for key, item in value.items() if item is not None and not isinstance(item, bytes)}


def _plain(value: Any) -> Any:
    """The value of an enumeration, anything else as it is."""
    return getattr(value, "value", value)


def _media(source: Any, mime_type: Any) -> Part:
    kind = str(mime_type or "").partition("/")[0]
    made = parts.media(kind if kind in ("image", "audio", "video") else "document", source, mime_type)
    if mime_type:
        made["mime_type"] = mime_type
    return made


def read_tools(tools: Any) -> list[Any]:
    """The definitions of the functions, and the name of what the service has itself."""
    made: list[Any] = []
    for tool in tools or ():
        if not isinstance(tool, Mapping):
            continue  # a session of a protocol, whose tools are only known when it is asked
        declared = camel(tool, "function_declarations")
        if declared is None and "name" in tool:
            declared = [tool]
        made += [_function(one) for one in declared or ()]
        made += [{"type": name, "name": name} for name, item in tool.items() if item is not None and declared is None]
    return made


def _function(declaration: Mapping[str, Any]) -> dict[str, Any]:
    schema = camel(declaration, "parameters_json_schema") or declaration.get("parameters")
    return parts.function_tool(declaration.get("name"), declaration.get("description"), _schema(schema))


def _schema(schema: Any) -> Any:
    """A schema without what is not set."""
    if isinstance(schema, Mapping):
        return {key: _schema(item) for key, item in schema.items() if item is not None}
    return [_schema(item) for item in schema] if isinstance(schema, list) else _plain(schema)
