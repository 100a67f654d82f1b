"""The contract: for each call shape, what the wire carries and the one span that has to come of it.

Everything under `Case.attributes` and the message fields is written out from what the fake provider is told to send and
what the application passes. Nothing here is computed by the code under test.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from rlhf_otel.instrumentation import providers
from rlhf_otel.testing import Reply

from .shapes import find

TIMES = (
    "gen_ai.response.time_to_first_chunk",
    "rlhf.response.time_to_first_token",
    "rlhf.response.time_to_first_reasoning",
    "rlhf.response.output_tokens_per_second",
    "rlhf.stream.max_gap",
    "rlhf.stream.duration",
)
"""What streams have."""
WAITS = ("rlhf.response.time_to_headers", "rlhf.response.network_time")
"""What every call has. Exact figures are in `test_exact`."""
CONTENT = {
    "input": "gen_ai.input.messages",
    "output": "gen_ai.output.messages",
    "system": "gen_ai.system_instructions",
    "tools": "gen_ai.tool.definitions",
}
STREAMED = {"gen_ai.request.stream": True, "rlhf.stream.end": "completed"}


@dataclass(frozen=True, kw_only=True)
class Talk:
    """A question and its answer, as the wire has them, and what a span tells of them.

    Attributes:
        name: of the variant.
        ask: the keyword arguments of the call.
        reply: what the provider answers.
        span_name: the span's name.
        attributes: of the span, but for content, times and what only streams have.
        content: the messages, by the keys of `CONTENT`, as the JSON decodes.
        chunks: how many server-sent events a streamed answer has, without the final [DONE] and pings.
        first: the kind of the first delta that carries something: text, reasoning or nothing.
    """

    name: str
    ask: Mapping[str, Any]
    reply: Reply
    span_name: str
    attributes: Mapping[str, Any]
    content: Mapping[str, Any]
    chunks: int = 0
    pings: int = 0
    first: str = "text"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One call shape: a talk, held in one of the ways in which the SDK can be called.

    Attributes:
        sdk: openai or anthropic.
        path: the method, or several spellings of it by version: `a.b|c.d`.
        way: how it is called, from `shapes`.
        talk: what is said.
        more: keyword arguments of this way.
        less: keyword arguments of the talk that this way does not take.
        changes: attributes that this way changes; None takes one away.
    """

    sdk: str
    path: str
    way: Callable[..., Any]
    talk: Talk
    more: Mapping[str, Any] = field(default_factory=dict)
    less: tuple[str, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.path.partition('|')[0]}-{self.way.__name__}-{self.talk.name}"

    @property
    def ask(self) -> dict[str, Any]:
        kept = {key: value for key, value in self.talk.ask.items() if key not in self.less}
        return {**kept, **self.more}

    @property
    def streams(self) -> bool:
        return "stream" in self.way.__name__.split("_")[-1:] or self.way.__name__ in _STREAMING

    def method(self, client: Any) -> Any:
        """The bound method; None where this version of the SDK has none."""
        return find(client, self.path)

    def expected(self) -> dict[str, Any]:
        """The attributes of the span, with content decoded, without times."""
        made = {**self.talk.attributes}
        if self.streams:
            reads_bytes = self.way.__name__ in ("streaming_lines", "streaming_bytes")
            made |= {**STREAMED, "rlhf.stream.chunks": self.talk.chunks + self.talk.pings * reads_bytes}
        made |= {CONTENT[key]: value for key, value in self.talk.content.items()}
        made |= self.changes
        return {key: value for key, value in made.items() if value is not None}


_STREAMING = ("stream", "stream_with", "raw_stream", "streaming_stream", "streaming_lines", "streaming_bytes",
              "helper", "helper_text", "helper_final", "helper_until_done")  # fmt: skip
_VOLATILE = ("server.port", "enduser.pseudo.id", "rlhf.usage.cache_hit_ratio", *TIMES, *WAITS)


def decoded(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A span's attributes, content decoded, without times and what no literal can know."""
    kept = {k: list(v) if isinstance(v, tuple) else v for k, v in attributes.items() if k not in _VOLATILE}
    for key in CONTENT.values():
        if key in kept:
            assert isinstance(kept[key], str), f"{key} is JSON text"
            kept[key] = json.loads(kept[key])
    return kept


def check_times(case: Case, span: Any) -> None:
    """The times of a stream are there, in order, and nothing else has any but the wait for the headers."""
    a = span.attributes
    assert 0 <= a["rlhf.response.time_to_headers"] <= (span.end_time - span.start_time) / 1e9
    if not case.streams:
        assert [key for key in TIMES if key in a] == []
        return
    chunk = a["gen_ai.response.time_to_first_chunk"]
    duration = (span.end_time - span.start_time) / 1e9
    assert 0 < chunk <= duration
    assert 0 <= a["rlhf.stream.max_gap"] <= duration
    assert ("rlhf.response.time_to_first_reasoning" in a) == (case.talk.first == "reasoning")
    if case.talk.first == "reasoning":
        assert chunk <= a["rlhf.response.time_to_first_reasoning"] <= a["rlhf.response.time_to_first_token"]
    token = a["rlhf.response.time_to_first_token"]
    assert chunk <= token <= duration
    if (output := a.get("gen_ai.usage.output_tokens")) is None:
        assert "rlhf.response.output_tokens_per_second" not in a
    else:
        rate = a["rlhf.response.output_tokens_per_second"]
        assert abs(rate - output / (duration - token)) / rate < 0.02


def user(*texts: str) -> dict[str, Any]:
    """A user's message of text parts."""
    return {"role": "user", "parts": [{"type": "text", "content": text} for text in texts]}


def answered(finish: str | None, *parts: dict[str, Any]) -> dict[str, Any]:
    """An assistant's message."""
    made: dict[str, Any] = {"role": "assistant", "parts": list(parts)}
    return made if finish is None else {**made, "finish_reason": finish}


def text(content: str) -> dict[str, Any]:
    """A text part."""
    return {"type": "text", "content": content}


WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
CAT = "https://example.org/cat.png"
PIXEL = "iVBORw0KGgo="  # the eight bytes that every PNG begins with
_PIXEL_HASH = "4c4b6a3be1314ab86138bef4314dde022e600960d8689a2c8f8631802d20dab6"  # their SHA-256, from sha256sum
PICTURE = {"type": "uri", "modality": "image", "uri": f"sha256:{_PIXEL_HASH}", "byte_size": 8, "mime_type": "image/png"}
PICTURES = [
    {"type": "uri", "modality": "image", "uri": CAT},
    PICTURE,
]
"""The parts for a picture at the address `CAT` and one sent inline as `PIXEL`."""


class Place(BaseModel):
    """What a structured answer is parsed into."""

    city: str


def is_newest(sdk: str) -> bool:
    """Whether the newest major version that is supported is installed."""
    newest = providers.load(providers.BUILT_IN[sdk]).versions[1]
    return int(sys.modules[sdk].__version__.partition(".")[0]) == newest
