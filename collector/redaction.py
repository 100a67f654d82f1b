"""Writes the app's redaction rules into collector-config.yaml, in the collector's own language of patterns (RE2).

    python collector/redaction.py            # rewrites the part between the two marks
    python collector/redaction.py --check    # exit status 1 if it is not up to date

RE2 cannot look at what stands beside a match without taking it. So the neighbour is taken, kept in a group and put
back. In the collector most texts are JSON, so a key may also stand behind an escape such as `\\n`, which is kept whole:
what was valid JSON stays valid JSON.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from rlhf_otel.redact import DEFAULT_RULES, Rule
from rlhf_otel.redact.rule import ALONE

CONFIG = Path(__file__).parents[1] / "collector-config.yaml"
BEGIN = "      # Made from rlhf_otel/redact/rules by collector/redaction.py: begin"
END = "      # Made from rlhf_otel/redact/rules by collector/redaction.py: end"

_ESCAPE = r"(?:\\\\)*\\(?:[bfnrt]|u[0-9A-Fa-f]{4})|(?:\\\\)+"
"""An escape in JSON, with all backslashes before it: half of an escape must not be left."""
_LOCAL = "A-Za-z0-9À-ɏ._%+-"
_TOKEN = "A-Za-z0-9._~+/-"


def _before(taken: str) -> str:
    return rf"(?P<before>{_ESCAPE}|^|[^\\{taken}])"


def _not_git() -> str:
    """A local part of an address of at most 64 characters that is not `git`."""
    but = {letter: f"[{_LOCAL.replace('a-z', _alphabet_without(letter))}]" for letter in "git"}
    rest = f"[{_LOCAL}]"
    return (
        f"(?:{but['g']}{rest}{{0,63}}|g(?:{but['i']}{rest}{{0,62}})?|gi(?:{but['t']}{rest}{{0,61}})?|git{rest}{{1,61}})"
    )


def _alphabet_without(letter: str) -> str:
    return f"a-{chr(ord(letter) - 1)}{chr(ord(letter) + 1)}-z"


def _with_digit(shortest: int) -> str:
    """A token of at least `shortest` characters that has a digit: one alternative for each place of the first one."""
    other, late = rf"[{_TOKEN.replace('0-9', '')}]", shortest - 1
    early = (rf"{other}{{{at}}}\d[{_TOKEN}]{{{late - at},}}" for at in range(late))
    return f"(?:{'|'.join(early)}|{other}{{{late},}}\\d[{_TOKEN}]*)"


_REWRITES = (
    # No quote either: where the end of a key was cut off, the next end may be in another message.
    (r"(?:[^-]*(?:-(?!----)[^-]*)*-----END", r'(?:(?:[^"-]|-{1,4}[^"-])*-----END'),
    (r"\bauthorization[\"']?", r"authorization(?:\\*[\"'])?"),
    (r"[:=]\s{0,3}[\"']?bearer", r"[:=]\s{0,3}(?:\\*[\"'])?bearer"),
    (r"[:=]\s{0,3}[\"']?basic", r"[:=]\s{0,3}(?:\\*[\"'])?basic"),
    (
        r"(?P<keep>\b(?i:bearer)\s{1,3})(?=[A-Za-z._~+/-]{0,400}\d)[A-Za-z0-9._~+/-]{16,}",
        _before("A-Za-z0-9_") + r"(?P<keep>(?i:bearer)\s{1,3})" + _with_digit(16),
    ),
    (rf"(?!git@)[{_LOCAL}]{{1,64}}(?<![.%+])(?:@|%40)", _not_git() + "(?:@|%40)"),
)
"""What `translate` cannot do by itself: in Python's words, and in RE2's. Where a rule changes, it asks for more."""


def translate(rule: Rule) -> tuple[str, str]:
    """The pattern and the replacement of a rule, as RE2 and Go have them.

    Raises:
        ValueError: the pattern has something that RE2 has not, and nobody has said yet how to write it.
    """
    pattern = rule.pattern.pattern.replace(ALONE, "(?<![A-Za-z0-9_])")  # `_before` takes escapes into account
    for python, re2 in _REWRITES:
        pattern = pattern.replace(python, re2)
    pattern = re.sub(r"^\(\?<!\[([^\]]*)\]\)", lambda found: _before(found[1]), pattern)
    pattern = re.sub(r"\(\?P<keep>\(\?<!\[([^\]]*)\]\)", lambda found: f"{_before(found[1])}(?P<keep>", pattern)
    pattern = re.sub(r"\(\?!\[([^\]]*)\]\)$", r"(?P<after>$|[^\1])", pattern)
    pattern = re.sub(r"\(\?=(@.*)\)$", r"(?P<after>\1)", pattern)
    if re.search(r"\(\?(<?[!=])", pattern):
        raise ValueError(f"RE2 cannot look around as the rule {rule.name!r} does; say how in {Path(__file__).name}")
    groups = re.findall(r"\(\?P<(\w+)>", pattern)
    kept = [f"${{{name}}}" for name in ("before", "keep") if name in groups]
    return pattern, "".join([*kept, f"[REDACTED:{rule.name}]", *(["${after}"] if "after" in groups else [])])


def _statements(rule: Rule) -> Iterator[str]:
    """The statements for one rule. What takes the character behind it is done twice: two may share one between them."""
    pattern, replacement = translate(rule)
    guard = " or ".join(f'IsMatch(cache["text"], {_quoted(word)})' for word in _words(rule))
    for _ in range(2 if "(?P<after>" in pattern else 1):
        yield f'replace_all_patterns(attributes, "value", {_quoted(pattern)}, {_quoted(replacement)}) where {guard}'


_WORDS = {"basic-auth": ("asic ", "ASIC ")}
"""Words of rules that have none, in every case in which people write them."""


def _words(rule: Rule) -> list[str]:
    """What has to be in a text, as patterns that begin with a letter: Go looks for others a hundred times as long."""
    words = rule.keywords or _WORDS.get(rule.name, ())
    return [re.escape(word).replace("\\-", "-").replace("\\ ", " ") for word in words] or (
        [rule.hint] if rule.hint[:1].isalpha() else []
    )


def _is_said_by_its_form(rule: Rule) -> bool:
    """Whether the pattern alone tells, and a word says where to try it: the collector cannot compute a check digit, nor
    how random something is, and looks at each byte of the content of everybody.
    """
    return rule.check is None and rule.group in ("secrets", "email") and bool(_words(rule))


def _quoted(text: str) -> str:
    """`text` as a string of the transform processor, in a file where `$` names a variable."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$") + '"'


def block() -> str:
    """The lines between the marks."""
    lines = [statement for rule in filter(_is_said_by_its_form, DEFAULT_RULES) for statement in _statements(rule)]
    return "\n".join("        - '" + line.replace("'", "''") + "'" for line in lines)


def up_to_date(text: str) -> str:
    """The configuration `text` with the rules as they are now."""
    head, rest = text.split(BEGIN + "\n", 1)
    return f"{head}{BEGIN}\n{block()}\n{END}{rest.split(END, 1)[1]}"


def main(arguments: list[str]) -> int:
    """Rewrites the configuration, or says that it has to be."""
    text = CONFIG.read_text(encoding="utf-8")
    fresh = up_to_date(text)
    if "--check" in arguments:
        return int(text != fresh)
    CONFIG.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
