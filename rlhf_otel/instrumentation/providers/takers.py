"""What most chunks of a stream are: a further piece of the text that was read last, and nothing else.

To see that costs a quarter of what reading a chunk does. The readers stay the truth: a taker is made by them, for the
text that they are at, and leaves to them whatever has more in it than that piece. It looks fields up in the
dictionaries of the SDK's models, because what a model does to find one is most of what reading costs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Taker = tuple[Callable[[Any], "str | None"], list[str]]
"""What tells the piece that a chunk is, gives None for any other chunk and never raises; and where the piece goes."""


def of_chat(index: int, pieces: list[str]) -> Taker:
    """Of a chat completion: the text of the choice `index`, where it is the only one of its chunk."""

    def piece_of(chunk: Any) -> str | None:
        try:
            fields = chunk.__dict__
            (choice,) = fields["choices"]
            chosen = choice.__dict__
            delta = chosen["delta"]
            said = delta.__dict__
            text = said["content"]
            if (
                not text
                or type(text) is not str
                or chosen["index"] != index
                or chosen["finish_reason"] is not None
                or said["tool_calls"]
                or fields["usage"] is not None
                or delta.__pydantic_extra__
            ):
                return None
            return text
        except Exception:  # noqa: BLE001 - whatever this is, it is no piece of text
            return None

    return piece_of, pieces


def of_block(kind: str, field: str, index: int, pieces: list[str]) -> Taker:
    """Of a message of Anthropic's: `field` of the deltas of `kind` for the block `index`."""

    def piece_of(chunk: Any) -> str | None:
        try:
            fields = chunk.__dict__
            delta = fields["delta"].__dict__
            piece = delta[field]
            return piece if delta["type"] == kind and fields["index"] == index and type(piece) is str else None
        except Exception:  # noqa: BLE001 - whatever this is, it is no piece of this block
            return None

    return piece_of, pieces


def of_item(kind: str, index: int, pieces: list[str]) -> Taker:
    """Of a response of OpenAI's: the events of `kind` for the item `index`."""

    def piece_of(chunk: Any) -> str | None:
        try:
            fields = chunk.__dict__
            delta = fields["delta"]
            return delta if fields["type"] == kind and fields["output_index"] == index and type(delta) is str else None
        except Exception:  # noqa: BLE001 - whatever this is, it is no further delta
            return None

    return piece_of, pieces
