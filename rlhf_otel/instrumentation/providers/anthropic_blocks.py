"""Content blocks of Anthropic's messages, as the conventions' parts.

Sources: the block types of anthropic 0.40 and 2.14, plain and beta, of requests and of responses. Text stays whole;
media become an address or a hash wherever they are, in what a server's tools brought in too; what only the provider can
read (signatures, encrypted content) is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel.instrumentation import parts

if TYPE_CHECKING:
    from rlhf_otel.records import Message, Part

_OPAQUE = ("signature", "cache_control", "caller")
_MEDIA = ("image", "document")
_MODALITIES = ("image", "audio", "video")
_SERVER_CALLS = ("server_tool_use", "mcp_tool_use")


def message_of(m: Mapping[str, Any]) -> Message:
    """One message of a request; what only answers tool calls is a tool's."""
    made = parts_of(m.get("content"))
    role = str(m.get("role", ""))
    if made and all(part["type"] == "tool_call_response" for part in made):
        role = "tool"
    return parts.message(role, made)


def parts_of(content: Any) -> list[Part]:
    """The parts of a text or of a list of blocks."""
    if isinstance(content, str):
        return [parts.text(content)]
    return [part for block in content or () if isinstance(block, Mapping) for part in _block_parts(block)]


def _block_parts(block: Mapping[str, Any]) -> Iterator[Part]:
    """The parts of one block: a document may be made of several."""
    source = block.get("source")
    if block.get("type") == "document" and isinstance(source, Mapping) and source.get("type") == "content":
        yield from (_titled(part, block) for part in parts_of(source.get("content")))
    else:
        yield _part(block)


def _part(block: Mapping[str, Any]) -> Part:
    kind = str(block.get("type"))
    if kind == "text":
        return _text(block)
    if kind == "thinking":
        return parts.reasoning(block.get("thinking", ""))
    if kind == "redacted_thinking":
        return {**parts.reasoning(""), "redacted": True}
    if kind == "tool_use":
        return parts.tool_call(block.get("id"), block.get("name"), block.get("input"))
    if kind == "tool_result":
        return parts.tool_response(block.get("tool_use_id"), _tool_result(block.get("content")))
    if kind in _MEDIA and isinstance(source := block.get("source"), Mapping):
        return _titled(_media(kind, source), block)
    if kind == "container_upload":
        return parts.file("document", block.get("file_id"))
    if kind in _SERVER_CALLS:
        return _server_call(block)
    if kind.endswith("_tool_result"):
        answer = {"type": kind, **_readable({key: block[key] for key in block if key not in ("type", "tool_use_id")})}
        return {
            "type": "server_tool_call_response",
            "id": block.get("tool_use_id"),
            "server_tool_call_response": answer,
        }
    if kind == "compaction":
        return {"type": "compaction", "content": block.get("content")}
    readable: Part = _readable(block)
    return readable


def _text(block: Mapping[str, Any]) -> Part:
    """A text, with what it cites."""
    part = parts.text(block.get("text"))
    return {**part, "citations": _readable(cited)} if (cited := block.get("citations")) else part


def _server_call(block: Mapping[str, Any]) -> Part:
    """A call to a tool that the provider runs itself, or has an MCP server run."""
    name = block.get("name")
    call = {"type": name, "input": parts.arguments(block.get("input"))}
    if server := block.get("server_name"):
        call = {**call, "type": "mcp", "server_name": server}
    return {"type": "server_tool_call", "id": block.get("id"), "name": name, "server_tool_call": call}


def _tool_result(content: Any) -> Any:
    """A tool's answer, its blocks as parts."""
    return parts_of(content) if isinstance(content, list) else content


def _media(kind: str, source: Mapping[str, Any]) -> Part:
    if source.get("file_id"):
        return parts.file(kind, source["file_id"])
    if source.get("type") == "text":
        return parts.text(source.get("data"))
    if source.get("url"):
        return parts.media(kind, source["url"])
    return parts.media(kind, source.get("data"), source.get("media_type") or "application/octet-stream")


def _titled(part: Part, block: Mapping[str, Any]) -> Part:
    """A document has a title, and a context that the model reads with it."""
    return {**part, **{key: block[key] for key in ("title", "context") if block.get(key)}}


def _readable(value: Any) -> Any:
    """`value` without what only the provider can read, and with media by their address or hash."""
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if value.get("type") in _MEDIA and isinstance(source := value.get("source"), Mapping):
        return _titled(_media(str(value["type"]), source), value)
    if value.get("type") == "base64" and "data" in value:
        kind = str(value.get("media_type")).partition("/")[0]
        return _media(kind if kind in _MODALITIES else "document", value)
    kept = {key: _readable(item) for key, item in value.items() if not _is_opaque(key)}
    if value.get("file_type") in ("image", "pdf"):  # what the editor of a server's tools was shown
        kept["content"] = parts.media("image" if value["file_type"] == "image" else "document", value.get("content"))
    return kept


def _is_opaque(key: str) -> bool:
    return key in _OPAQUE or key.startswith("encrypted_")
