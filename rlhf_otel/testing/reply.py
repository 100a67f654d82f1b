"""What the fake provider is told to answer (`Reply`), and what it was asked (`Request`)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, cast
from urllib.parse import unquote

Malformed = Literal["truncated", "invalid_json", "error_body", "error_event", "no_response"]

CANNED_TEXT = "Hello! How can I help you today?"
_MODEL_IN_PATH = re.compile(r"/(?:model/([^/]+)/|models/([^/:]+):)")
_WORD = re.compile(r"\s*\S+\s*$|\s*\S+|\s+")


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Token counts as they stand on the wire.

    OpenAI counts `cached` and `reasoning` within `input` and `output`. Anthropic counts `cached` and `cache_write`
    beside `input`.
    """

    input: int = 12
    output: int = 9
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0


class ToolCall(NamedTuple):
    """A call of a function that the model asks for; `arguments` is a JSON object as text."""

    name: str
    arguments: str = "{}"
    id: str = ""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer of the fake provider. Every field has a default that gives a healthy, ordinary answer.

    Attributes:
        text: the answer; a list holds one answer for each choice of `n`. None means a canned sentence, or no text where
            there are tool calls, a refusal or explicit `chunks`.
        reasoning: what the model thought first: `reasoning_content` in OpenAI chat, a reasoning item in OpenAI
            responses, a thinking block in Anthropic messages.
        tool_calls: calls as `ToolCall` or plain tuples (name, arguments as JSON text, id).
        refusal: the words of a refusal.
        blocks: the content of an Anthropic message in Anthropic's own words, in place of text, thoughts and calls. What
            has no deltas on the wire comes whole in a stream too.
        usage_details: further members of an Anthropic message's usage, in Anthropic's own words.
        usage: token counts; None leaves them out, as some compatible servers do.
        model: the model that answers; None repeats the model asked for.
        id: the id of the response; None numbers it by the request.
        finish_reason: in the words of either provider; None fits the content. "error" makes a responses call fail.
        chunks: how a stream splits the text: a number of pieces, or the pieces themselves; None means word by word.
        headers_delay: seconds before the response headers.
        first_delay: seconds from the headers to the first chunk that carries content.
        chunk_delay: seconds before every later chunk that carries content.
        role_first: whether an OpenAI stream opens with a chunk that only names the role, as the real one does.
        pings: how many ping events an Anthropic stream holds.
        status: the HTTP status; from 400 on, an error body is sent.
        error: the message of that error, or its whole body.
        headers: more response headers; they win over the usual ones.
        disconnect_after: the socket is closed after this many chunks that carry content; a plain answer is closed
            halfway through its body.
        malformed: a fault of the wire, halfway through a stream or in a plain body. `truncated` ends within an event,
            `invalid_json` sends one that does not parse, `error_body` answers 200 with an error as its body,
            `error_event` sends an error event, `no_response` closes the socket before any header.
        service_tier: as the provider would report it.
        system_fingerprint: as OpenAI would report it.
        embeddings: one vector for each input; missing ones are made up.
        media: the picture, sound or video that is made; a PNG of eight bytes by default.
        flagged: the categories for which a moderation flags everything.
        raw: sent verbatim as the body; a sequence is sent piece by piece.
        gzip: whether the body is compressed.
    """

    text: str | Sequence[str] | None = None
    reasoning: str | None = None
    tool_calls: Sequence[ToolCall | tuple[str, ...]] = ()
    refusal: str | None = None
    blocks: Sequence[Mapping[str, Any]] = ()
    usage_details: Mapping[str, Any] = field(default_factory=dict)
    usage: Usage | None = field(default_factory=Usage)
    model: str | None = None
    id: str | None = None
    finish_reason: str | None = None
    chunks: int | Sequence[str] | None = None
    headers_delay: float = 0.0
    first_delay: float = 0.0
    chunk_delay: float = 0.0
    role_first: bool = True
    pings: int = 1
    status: int = 200
    error: str | Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    disconnect_after: int | None = None
    malformed: Malformed | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    embeddings: Sequence[Sequence[float]] = ()
    media: bytes = b"\x89PNG\r\n\x1a\n"
    flagged: Sequence[str] = ()
    raw: bytes | str | Sequence[bytes | str] | None = None
    gzip: bool = False

    def __post_init__(self) -> None:
        pieces = self._explicit_pieces
        if pieces is not None and self.text is not None and "".join(pieces) != self.text:
            raise ValueError("the chunks do not add up to the text; leave the text out to have it joined from them")

    @property
    def _explicit_pieces(self) -> list[str] | None:
        return None if self.chunks is None or isinstance(self.chunks, int) else list(self.chunks)

    @property
    def calls(self) -> list[ToolCall]:
        """The tool calls, each with an id: its own, or one by its place."""
        calls = [ToolCall(*call) for call in self.tool_calls]
        return [call if call.id else call._replace(id=f"call_{place}") for place, call in enumerate(calls, start=1)]

    def answer(self, choice: int = 0) -> str:
        """The text of one choice; where there are fewer texts than choices they come round again."""
        if isinstance(self.text, str):
            return self.text
        if self.text:
            return self.text[choice % len(self.text)]
        if (pieces := self._explicit_pieces) is not None:
            return "".join(pieces)
        return "" if self.tool_calls or self.refusal or self.text is not None else CANNED_TEXT

    def pieces(self, text: str) -> list[str]:
        """`text` as a stream hands it out; the pieces add up to it, and an empty text has none."""
        explicit = self._explicit_pieces
        if explicit is not None and "".join(explicit) == text:
            return explicit
        if isinstance(self.chunks, int):
            return _equal_pieces(text, self.chunks)
        return cast("list[str]", _WORD.findall(text))


def _equal_pieces(text: str, count: int) -> list[str]:
    """At most `count` pieces of lengths that differ by one at most, none of them empty."""
    count = max(1, min(count, len(text)))
    edges = [len(text) * edge // count for edge in range(count + 1)]
    return [text[start:end] for start, end in itertools.pairwise(edges) if end > start]


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request that reached the fake provider.

    Attributes:
        number: 1 for the first request of the server, 2 for the next.
        method: GET, POST, ...
        path: without the query.
        query: the query parameters; the last value of a repeated one.
        headers: with lower-case names.
        body: the decoded JSON, or the fields of a form; an empty dict where there was neither.
        files: the files of a form, by the names of their fields.
        content: the body as it came.
        time: when it arrived, in seconds since the epoch.
    """

    number: int
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    content: bytes = b""
    time: float = 0.0

    @property
    def stream(self) -> bool:
        """Whether the caller asked for server-sent events."""
        asked = self.body.get("stream") in (True, "true") or self.query.get("stream") == "true"
        return asked or self.path.endswith(("-with-response-stream", "/stream"))

    @property
    def model(self) -> str:
        """The model asked for; clouds have it in the path."""
        if "model" not in self.body and (found := _MODEL_IN_PATH.search(self.path)):
            return unquote(found[1] or found[2])
        return str(self.body.get("model", "fake-model"))

    @property
    def prompt(self) -> str:
        """The text that the user said last, whichever API was called."""
        asked = self.body.get("messages") or self.body.get("input") or self.body.get("prompt") or ""
        if isinstance(asked, str):
            return asked
        users = [turn for turn in asked if isinstance(turn, Mapping) and turn.get("role") == "user"]
        return _plain_text(users[-1].get("content")) if users else _plain_text(asked)


def _plain_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = [part.get("text", "") if isinstance(part, Mapping) else part for part in content or ()]
    return "".join(part for part in parts if isinstance(part, str))
