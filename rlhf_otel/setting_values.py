"""What the text of a setting may say, and the value that it stands for; what it may not say raises a ValueError."""

from __future__ import annotations

from collections.abc import Callable


def flag(text: str) -> bool:
    """Yes or no."""
    word = text.strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off", ""):
        return False
    raise ValueError(text)


def share(text: str) -> float:
    """A number from 0 to 1."""
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise ValueError(text)
    return value


def positive(text: str) -> float:
    """A number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(text)
    return value


def count(text: str) -> int:
    """A whole number from 1."""
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def age(text: str) -> float:
    """Seconds, or a number with a unit: 30d, 12h."""
    from rlhf_otel.token import seconds

    return seconds(text)


def age_or_none(text: str) -> float:
    """The same, or 0."""
    return 0.0 if text.strip() in ("0", "0.0") else age(text)


def amount(text: str) -> int:
    """A whole number from 0."""
    value = int(text)
    if value < 0:
        raise ValueError(text)
    return value


def word(*words: str) -> Callable[[str], str]:
    """One of `words`, in any case."""

    def parse(text: str) -> str:
        for word in words:
            if text.strip().lower() == word.lower():
                return word
        raise ValueError(text)

    return parse


def some_of(*known: str) -> Callable[[str], tuple[str, ...]]:
    """Some of `known`, in any case, with commas between them."""

    def parse(text: str) -> tuple[str, ...]:
        return tuple(word(*known)(part) for part in words(text))

    return parse


def words(text: str) -> tuple[str, ...]:
    """Words with commas between them."""
    return tuple(word for word in (part.strip() for part in text.split(",")) if word)


def names(text: str) -> dict[str, str]:
    """Pairs `name=value` with commas between them."""
    pairs = [part.partition("=") for part in words(text)]
    if any(not key.strip() or not name.strip() for key, _, name in pairs):
        raise ValueError(text)
    return {key.strip().lower(): name.strip() for key, _, name in pairs}


SIGNALS = ("regenerate", "edit", "copy", "continue", "accept", "reject", "abandon", "dwell")
"""What a person may do with an answer."""


def scores(text: str) -> dict[str, float | None]:
    """Signals with their scores."""
    given = names(text)
    if unknown := set(given) - set(SIGNALS):
        raise ValueError(unknown)
    return {signal: None if score.lower() == "none" else share(score) for signal, score in given.items()}


def parts(text: str) -> tuple[str, ...]:
    """Parts of calls and of feedback, as `rlhf_otel.parts` has them."""
    from rlhf_otel.parts import chosen

    given = words(text)
    chosen(given)
    return given


CAPTURE_MODES = ("NO_CONTENT", "SPAN_ONLY", "EVENT_ONLY", "SPAN_AND_EVENT")


def capture(text: str) -> str:
    """The conventions' modes in any case, and the plain yes and no of older instrumentations."""
    try:
        return word(*CAPTURE_MODES)(text)
    except ValueError:
        return "SPAN_ONLY" if flag(text) else "NO_CONTENT"
