"""What counts as a secret: one rule for each kind, with the words that must be in a text before its pattern is tried.

Every pattern is linear in the length of the text: a start that cannot lie inside a longer run, bounded repeats, and no
two neighbours that could take the same character. `Rule` has no way to check this; the tests try each with long hostile
input. A rule errs on the side of a real key: what has the shape of one is replaced, whoever issued it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of secret.

    Attributes:
        name: what stands in its place: `[REDACTED:name]`.
        pattern: what it looks like; a group called `keep` at its start is left in the text.
        keywords: at least one of these is in every text that the pattern can match; case matters.
        sign: a character that all keywords share and prose has little of, looked for first; empty where there is none.
    """

    name: str
    pattern: re.Pattern[str]
    keywords: tuple[str, ...]
    sign: str = field(init=False)

    def __post_init__(self) -> None:
        signs = (sign for sign in "_@-" if all(sign in keyword for keyword in self.keywords))
        object.__setattr__(self, "sign", next(signs, ""))

    @property
    def replacement(self) -> str:
        """The template for `re.sub`."""
        return (r"\g<keep>" if "keep" in self.pattern.groupindex else "") + f"[REDACTED:{self.name}]"

    def apply(self, text: str) -> str:
        """`text` with every secret of this kind replaced."""
        if self.sign in text:
            for keyword in self.keywords:
                if keyword in text:
                    return self.pattern.sub(self.replacement, text)
        return text


_ALONE = r"(?<![A-Za-z0-9_])"  # not within a longer word: "task-based" has no key in it
_LABEL = r"[A-Za-z0-9À-ɏ][A-Za-z0-9À-ɏ-]{0,62}"


def _rule(name: str, pattern: str, *keywords: str) -> Rule:
    return Rule(name, re.compile(pattern), keywords)


DEFAULT_RULES: Final[tuple[Rule, ...]] = (
    # A whole block, or its head and the lines of base64 that are left where the end was cut off.
    _rule(
        "private-key",
        r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[^-]*(?:-(?!----)[^-]*)*-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
        r"|(?:(?:\s|\\[nr])+[A-Za-z0-9+/=]{16,})+)",
        "PRIVATE KEY",
    ),
    _rule("anthropic-key", _ALONE + r"sk-ant-[A-Za-z0-9_-]{16,}", "sk-"),
    _rule(
        "openai-key",
        _ALONE + r"sk-(?:(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{16,}|[A-Za-z0-9]{20,}(?:[_-][A-Za-z0-9_-]{16,})?)",
        "sk-",
    ),
    _rule("openrouter-key", _ALONE + r"sk-or-v1-[0-9a-f]{32,}", "sk-"),
    _rule("google-key", _ALONE + r"AIza[A-Za-z0-9_-]{35}", "AIza"),
    _rule("aws-key", _ALONE + r"(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])", "AKIA", "ASIA"),
    _rule(
        "github-token",
        _ALONE + r"(?:gh[oprsu]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,})",
        "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_",
    ),
    _rule("huggingface-token", _ALONE + r"hf_[A-Za-z0-9]{30,}", "hf_"),
    _rule("slack-token", _ALONE + r"(?:xox[a-z]-[A-Za-z0-9-]{10,}|xapp-\d-[A-Za-z0-9-]{10,})", "xox", "xapp-"),
    _rule(
        "stripe-key",
        _ALONE + r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}",
        "sk_live_", "rk_live_", "sk_test_", "rk_test_",
    ),
    _rule("groq-key", _ALONE + r"gsk_[A-Za-z0-9]{20,}", "gsk_"),
    _rule("xai-key", _ALONE + r"xai-[A-Za-z0-9]{20,}", "xai-"),
    _rule(
        "jwt",
        r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?",
        "eyJ",
    ),
    # Behind the header's name anything is a token; elsewhere only what has a digit: "bearer responsibilities" is prose.
    _rule(
        "bearer-token",
        r"(?P<keep>(?i:\bauthorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?bearer\s{1,3}))[A-Za-z0-9._~+/=-]{6,}",
        "earer ", "EARER ",
    ),
    _rule(
        "bearer-token",
        r"(?P<keep>\b(?i:bearer)\s{1,3})(?=[A-Za-z._~+/-]{0,400}\d)[A-Za-z0-9._~+/-]{16,}=*",
        "earer ", "EARER ",
    ),
    # No TLD, no address: "user@host" is a shell prompt. An opening bracket makes it code: "q@k.transpose(0, 1)".
    _rule(
        "email",
        r"(?<![A-Za-z0-9À-ɏ._%+-])(?!git@)[A-Za-z0-9À-ɏ._%+-]{1,64}@"
        rf"(?:{_LABEL}\.){{1,8}}[A-Za-zÀ-ɏ]{{2,24}}(?![A-Za-z0-9À-ɏ_(-])",
        "@",
    ),
)  # fmt: skip
"""Tried in this order: a narrower rule stands before a wider one."""

SHORTEST_KEY: Final = 15
"""In characters. A shorter text can hold an e-mail address, which has an @, and no other secret of `DEFAULT_RULES`."""
