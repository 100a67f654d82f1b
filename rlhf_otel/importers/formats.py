"""Whose export a file is: by what its rows are called, unless somebody says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rlhf_otel.importers import argilla, langfuse, langsmith, open_webui, own, phoenix, votes


class UnknownFormatError(Exception):
    """Nothing that stands in a file tells whose it is."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format that can be read.

    Attributes:
        says: whose it is, in words.
        knows: whether a row is one of it.
        read: the records of a row.
    """

    says: str
    knows: Callable[[Mapping[str, Any]], bool]
    read: Callable[[Mapping[str, Any]], Iterator[Any]]


FORMATS: Final[Mapping[str, Format]] = {
    "rlhf-otel": Format("what rlhf-otel itself writes", own.knows, own.read),
    "langfuse": Format("traces, observations, scores and comments of Langfuse", langfuse.knows, langfuse.read),
    "langsmith": Format("runs and feedback of LangSmith", langsmith.knows, langsmith.read),
    "phoenix": Format("spans and annotations of Arize Phoenix", phoenix.knows, phoenix.read),
    "open-webui": Format("feedback and chats of Open WebUI", open_webui.knows, open_webui.read),
    "argilla": Format("records of Argilla", argilla.knows, argilla.read),
    "votes": Format("votes in the words of feedback.record", votes.knows, votes.read),
}
"""In the order in which they are asked whether they know a row: the most telling names first."""


def format_of(row: Mapping[str, Any]) -> str:
    """The name of the format that a row is in.

    Raises:
        UnknownFormatError: it is in none.
    """
    for name, each in FORMATS.items():
        if each.knows(row):
            return name
    names = ", ".join(sorted(map(str, row))[:8])
    raise UnknownFormatError(f"nobody's export has rows of {names}")
