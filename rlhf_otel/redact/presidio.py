"""Presidio among the rules: what its recognizers find, names and places by a language model first of all, goes as well.

    from presidio_analyzer import AnalyzerEngine
    from rlhf_otel.redact import Redactor
    from rlhf_otel.redact.presidio import Presidio

    rlhf.add_processor(Redactor([Presidio(AnalyzerEngine())], keys=()))

It takes milliseconds a text, where a rule takes microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rlhf_otel.redact.rule import Allowed, Placeholder, plain


class Presidio:
    """A step of a `Redactor`.

    Args:
        analyzer: a `presidio_analyzer.AnalyzerEngine`.
        language: of the texts.
        entities: what to look for, by Presidio's names; all that the analyzer knows by default.
        threshold: how sure it must be, from 0 to 1.
    """

    name: Final = "presidio"
    group: Final = "presidio"
    keywords: Final[tuple[str, ...]] = ()
    hint: Final = ""
    looks_everywhere: Final = True

    def __init__(
        self, analyzer: Any, *, language: str = "en", entities: Sequence[str] | None = None, threshold: float = 0.5
    ) -> None:
        self._analyzer, self._language = analyzer, language
        self._entities, self._threshold = entities, threshold

    def apply(self, text: str, placeholder: Placeholder | None = None, allowed: Allowed | None = None) -> str:
        """`text` with `[REDACTED:person]` and its kin in place of what was found; of what overlaps, the first."""
        found = self._analyzer.analyze(
            text=text, language=self._language, entities=self._entities, score_threshold=self._threshold
        )
        pieces, at = [], 0
        for each in sorted(found, key=lambda one: (one.start, -one.end)):
            value = text[each.start : each.end]
            if each.start < at or (allowed is not None and allowed(value)):
                continue
            kind = each.entity_type.lower().replace("_", "-")
            pieces += [text[at : each.start], (placeholder or plain)(kind, value)]
            at = each.end
        return "".join([*pieces, text[at:]])
