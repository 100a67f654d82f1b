"""The message parts of the GenAI conventions, as the readers make them.

Media never travel inside a span: a remote one is named by its address, an inline one by its hash, type and size.
Source: semantic-conventions-genai, `model/gen-ai/gen-ai-input-messages.json` and `gen-ai-output-messages.json`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import Any

from rlhf_otel.instrumentation.stamps import MANY
from rlhf_otel.records import Message, Part

FINISH_REASONS = {
    "end_turn": "stop", "stop_sequence": "stop", "eos": "stop", "max_tokens": "length", "max_output_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_call", "tool_calls": "tool_call", "function_call": "tool_call", "complete": "stop",
    "safety": "content_filter", "blocklist": "content_filter", "prohibited_content": "content_filter",
    "spii": "content_filter", "recitation": "content_filter",
}  # fmt: skip
"""The provider's word -> the conventions' word, in messages; the span keeps the provider's."""


_USER_INFO = re.compile(r"(?<=://)[^/?#]*@")
"""Name and password in an address; the password may have an `@` of its own."""


def gather(pieces: list[str], piece: str) -> None:
    """Keeps a piece of streamed text; many small strings take five times the room of one."""
    pieces.append(piece)
    if len(pieces) >= MANY:
        join(pieces)


def join(pieces: list[str]) -> None:
    """Makes the pieces one."""
    pieces[:] = ("".join(pieces),)


def text(content: Any) -> Part:
    """A piece of text."""
    return {"type": "text", "content": content}


def reasoning(content: Any) -> Part:
    """A piece of the model's reasoning."""
    return {"type": "reasoning", "content": content}


def tool_call(call_id: Any, name: Any, given: Any) -> Part:
    """A call to a tool; arguments that are a JSON object are kept as one."""
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments(given)}


def tool_response(call_id: Any, response: Any) -> Part:
    """What a tool answered; an answer of parts that are all text is one text."""
    if isinstance(response, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in response):
        response = "".join(str(part.get("content")) for part in response)
    return {"type": "tool_call_response", "id": call_id, "response": response}


def media(modality: str, source: Any, mime_type: str | None = None) -> Part:
    """An image, a sound or a document: `source` is an address, a `data:` address, base64 text or bytes.

    Name and password in an address are left out.
    """
    if isinstance(source, bytes):
        return _hashed(modality, source, mime_type)
    if not isinstance(source, str) or not source:
        return {"type": "uri", "modality": modality, "uri": ""}
    if source.startswith("data:"):
        head, _, source = source.partition(",")
        mime_type = head[5:].split(";")[0] or mime_type
    elif "://" in source[:32]:
        return {"type": "uri", "modality": modality, "uri": _USER_INFO.sub("", source, count=1)}
    return _hashed(modality, source, mime_type)


def known(modality: str, sha256: str | None, byte_size: int | None = None, mime_type: str | None = None) -> Part:
    """An image, a sound or a document of which this is known."""
    part: Part = {"type": "uri", "modality": modality, "uri": f"sha256:{sha256}" if sha256 else ""}
    if byte_size is not None:
        part["byte_size"] = byte_size
    if mime_type:
        part["mime_type"] = mime_type
    return part


def file(modality: str, file_id: Any) -> Part:
    """A file that the provider keeps."""
    return {"type": "file", "modality": modality, "file_id": file_id}


def message(role: str, parts: list[Part], finish_reason: str | None = None) -> Message:
    """One message."""
    made: Message = {"role": role, "parts": parts}
    if finish_reason is not None:
        made["finish_reason"] = FINISH_REASONS.get(finish_reason, finish_reason)
    return made


def function_tool(name: Any, description: Any = None, parameters: Any = None) -> dict[str, Any]:
    """The definition of a tool."""
    definition = {"type": "function", "name": name, "description": description, "parameters": parameters}
    return {key: value for key, value in definition.items() if value is not None}


def _hashed(modality: str, given: str | bytes, mime_type: str | None) -> Part:
    data = given if isinstance(given, bytes) else _decoded(given)
    return known(modality, hashlib.sha256(data).hexdigest(), len(data), mime_type)


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded)
    except (binascii.Error, ValueError):
        return encoded.encode()


def arguments(given: Any) -> Any:
    """What a tool is called with: text that is a JSON object as that object, anything else as it is."""
    if not isinstance(given, str):
        return given
    try:
        parsed = json.loads(given)
    except ValueError:
        return given
    return parsed if isinstance(parsed, dict) else given
