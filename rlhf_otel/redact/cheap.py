"""Whether a pattern is plainly cheap on any text, judged by its form; where that is hard to say, it is not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

try:
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:  # Python 3.10
    import sre_parse as parser

_MOST: Final = 500
"""Steps from one character of a text: half a second for a megabyte would be too long to wait for already."""
_ENDLESS: Final = float("inf")
_SINGLE: Final = {"LITERAL", "NOT_LITERAL", "ANY", "IN", "CATEGORY"}
_REPEATS: Final = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}


def is_cheap(pattern: re.Pattern[str]) -> bool:
    """Whether a search takes time in proportion to the length of a text, and not much for each character."""
    try:
        tree = list(parser.parse(pattern.pattern, pattern.flags))
    except Exception:  # noqa: BLE001 - a parser that has changed
        return False
    return _bounded(tree) or _runs_apart(tree, pattern.flags)


def literals(pattern: re.Pattern[str]) -> tuple[str, ...]:
    """The longest word that is in all that `pattern` matches, as the one item of a tuple; none where there is none."""
    if pattern.flags & re.IGNORECASE:
        return ()
    try:
        tree = list(parser.parse(pattern.pattern, pattern.flags))
    except Exception:  # noqa: BLE001 - a parser that has changed
        return ()
    words, word = [""], ""
    for op, argument in tree:
        word = word + chr(argument) if str(op) == "LITERAL" else ""
        words.append(word)
    longest = max(words, key=len)
    return (longest,) if len(longest) > 1 else ()


def _bounded(tree: Iterable[Any]) -> bool:
    """Whether only so many ways lead on from any character."""
    ways, width = 1.0, 0.0
    for op, argument in tree:
        ways, width = ways * _ways(str(op), argument), width + _width(str(op), argument)
    return ways * max(1.0, width) <= _MOST


def _ways(op: str, argument: Any) -> float:
    """In how many ways a part may match from one character on."""
    if op in _REPEATS:
        least, most, inner = argument
        each = _ways_of(inner)
        if most == parser.MAXREPEAT:
            return _ENDLESS
        return float(most - least + 1) if each == 1 else min(_ENDLESS, each ** min(most, 64) * (most - least + 1))
    if op == "BRANCH":
        return sum(_ways_of(branch) for branch in argument[1])
    if op in ("SUBPATTERN", "ASSERT", "ASSERT_NOT"):
        return _ways_of(argument[-1])
    return 1.0 if op in _SINGLE or op in ("AT",) else _ENDLESS


def _ways_of(tree: Iterable[Any]) -> float:
    ways = 1.0
    for op, argument in tree:
        ways *= _ways(str(op), argument)
    return ways


def _width(op: str, argument: Any) -> float:
    """How many characters a part may take."""
    if op in _REPEATS:
        return float(argument[1]) * sum(_width(str(o), a) for o, a in argument[2])
    if op == "BRANCH":
        return max(sum(_width(str(o), a) for o, a in branch) for branch in argument[1])
    if op in ("SUBPATTERN", "ASSERT", "ASSERT_NOT"):
        return sum(_width(str(o), a) for o, a in argument[-1])
    return 1.0


def _runs_apart(tree: list[Any], flags: int) -> bool:
    """Whether the pattern is bounded but for one run of characters, and each run has a beginning of its own.

    As in `TICKET-\\d+`: a character before the run is none of the run, so that no two matches try the same run.
    """
    endless = [at for at, (op, argument) in enumerate(tree) if str(op) in _REPEATS and argument[1] == parser.MAXREPEAT]
    if len(endless) != 1:
        return False
    at = endless[0]
    _, (_, _, inner) = tree[at]
    if len(inner) != 1 or str(inner[0][0]) not in _SINGLE or not _bounded(tree[:at] + tree[at + 1 :]):
        return False
    before = [chr(argument) for op, argument in tree[:at] if str(op) == "LITERAL"]
    return any(not _takes(inner[0], character, flags) for character in before)


def _takes(part: Any, character: str, flags: int) -> bool:
    """Whether a part that takes one character takes this one, in any case where case does not matter."""
    spellings = {character, character.lower(), character.upper()} if flags & re.IGNORECASE else {character}
    return any(_takes_as_it_is(part, spelling, flags) for spelling in spellings)


def _takes_as_it_is(part: Any, character: str, flags: int) -> bool:
    op, argument = str(part[0]), part[1]
    if op == "LITERAL":
        return chr(argument) == character
    if op == "NOT_LITERAL":
        return chr(argument) != character
    if op == "ANY":
        return character != "\n" or bool(flags & re.DOTALL)
    if op == "RANGE":
        return bool(argument[0] <= ord(character) <= argument[1])
    if op == "CATEGORY":
        return _CATEGORIES.get(str(argument), re.compile("", re.DOTALL)).fullmatch(character) is not None
    negated = str(argument[0][0]) == "NEGATE"
    return negated != any(_takes_as_it_is(item, character, flags) for item in argument[negated:])


_CATEGORIES: Final = {
    f"CATEGORY_{'' if kind.islower() else 'NOT_'}{name}": re.compile(f"\\{kind}")
    for name, kinds in {"DIGIT": "dD", "SPACE": "sS", "WORD": "wW"}.items()
    for kind in kinds
}
