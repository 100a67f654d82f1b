"""The parts of messages in words: a call of a tool as code would say it, a picture by what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlhf_otel.cli import marks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rlhf_otel.records import Message, Part

WIDEST_ARGUMENTS = 60


def in_words(part: Part) -> str:
    """A part, whole; one of a kind that we do not know as its JSON."""
    kind, content = part.get("type"), part.get("content")
    if kind == "text":
        return str(content)
    if kind == "reasoning":
        return f"(thinking) {content}"
    if kind == "tool_call":
        return f"→ {part.get('name')}({marks.compact(part.get('arguments'))})"
    if kind == "tool_call_response":
        return f"← {marks.compact(part.get('response', part.get('result')))}"
    return _short(part) or marks.compact(part)


def in_short(messages: Iterable[Message] | None) -> str:
    """What `messages` hold beside text: calls of tools, media, judgements."""
    parts = (part for message in messages or () for part in message.get("parts", ()))
    return ", ".join(filter(None, map(_short, parts)))


def _short(part: Part) -> str:
    """A part that is no text, in a few words; nothing for what has none."""
    kind = part.get("type")
    if kind == "tool_call":
        return _tool_call(part)
    if kind in ("uri", "file", "blob"):
        return _media(part)
    if kind == "decision":
        return f"{part.get('name') or part.get('kind')}: {part.get('content')}"
    return _judgement(part) if kind == "moderation" else ""


def _tool_call(part: Part) -> str:
    arguments = marks.compact(part.get("arguments") or "")
    if len(arguments) > WIDEST_ARGUMENTS:
        arguments = f"{arguments[: WIDEST_ARGUMENTS - 1]}…"
    return f"{part.get('name')}({arguments})"


def _media(part: Part) -> str:
    """A picture, a sound or a document: what it is, and where it is or how large."""
    address = str(part.get("uri") or part.get("file_id") or "")
    told = [str(part.get("modality") or "media"), part.get("mime_type"), _size(part.get("byte_size"))]
    told += [f"{address[:15]}…" if address.startswith("sha256:") else address]
    return f"[{', '.join(str(one) for one in told if one)}]"


def _size(count: Any) -> str:
    if not isinstance(count, int):
        return ""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000 or unit == "MB":
            return f"{count:.3g} {unit}" if unit != "bytes" else f"{count} bytes"
        count /= 1000
    return ""


def _judgement(part: Part) -> str:
    categories = ", ".join(map(str, part.get("categories") or ()))
    return f"flagged: {categories}".rstrip(": ") if part.get("flagged") else "not flagged"
