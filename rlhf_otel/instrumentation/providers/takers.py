"""What most chunks of a stream are: a further piece of the text that was read last, and nothing else.

To see that, and keep the piece, costs less than half of what reading a chunk does. The readers stay the truth: a taker
is made by them, for the text that they are at, and leaves to them whatever has more in it than that piece. It looks
fields up in the dictionaries of the SDK's models, because what a model does to find one is most of what reading costs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rlhf_otel.instrumentation.parts import MANY, join

Taker = Callable[[Any], bool]
"""Takes a chunk, if it is a further piece, and says whether it did. Never raises."""


def of_chat(index: int, pieces: list[str]) -> Taker:
    """Of a chat completion: the text of the choice `index`, where it is the only one of its chunk."""

    def take(chunk: Any) -> bool:
        try:
            fields = chunk.__dict__
            (choice,) = fields["choices"]
            chosen = choice.__dict__
            delta = chosen["delta"]
            said = delta.__dict__
            text = said["content"]
            if (
                text.__class__ is not str
                or not text
                or chosen["index"] != index
                or chosen["finish_reason"] is not None
                or said["tool_calls"]
                or fields["usage"] is not None
                or delta.__pydantic_extra__
            ):
                return False
        except Exception:  # noqa: BLE001 - whatever this is, it is no piece of text
            return False
        pieces.append(text)
        if len(pieces) >= MANY:
            join(pieces)
        return True

    return take


def of_block(kind: str, field: str, index: int, pieces: list[str]) -> Taker:
    """Of a message of Anthropic's: `field` of the deltas of `kind` for the block `index`."""

    def take(chunk: Any) -> bool:
        try:
            fields = chunk.__dict__
            delta = fields["delta"].__dict__
            if delta["type"] != kind or fields["index"] != index or (piece := delta[field]).__class__ is not str:
                return False
        except Exception:  # noqa: BLE001 - whatever this is, it is no piece of this block
            return False
        pieces.append(piece)
        if len(pieces) >= MANY:
            join(pieces)
        return True

    return take


def of_item(kind: str, index: int, pieces: list[str]) -> Taker:
    """Of a response of OpenAI's: the events of `kind` for the item `index`."""

    def take(chunk: Any) -> bool:
        try:
            fields = chunk.__dict__
            if fields["type"] != kind or fields["output_index"] != index or fields["delta"].__class__ is not str:
                return False
        except Exception:  # noqa: BLE001 - whatever this is, it is no further delta
            return False
        pieces.append(fields["delta"])
        if len(pieces) >= MANY:
            join(pieces)
        return True

    return take
