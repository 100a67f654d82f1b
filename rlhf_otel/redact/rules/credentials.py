"""Secrets that no maker's mark tells: what stands in a header, in a URL, in PEM, or behind a name that says so."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from rlhf_otel.redact.rule import Rule, compiled, rule

_QUOTE: Final = r"\\{0,3}[\"'`]"
_SEPARATOR: Final = rf"(?:{_QUOTE})?\]?\s{{0,3}}(?:=>|:=|==?|:)\s{{0,3}}"
_TOKEN_NAMES: Final = (
    r"(?:api|access|secret|private|auth|account|encryption|signing|master|license|subscription|storage|service|shared"
    r"|app|application|project|admin|webhook|functions)[_. -]?key(?:[_-]?id)?"
    r"|(?:access|auth|refresh|bearer|session|security|personal|bot|id|user|device|csrf|deploy|api)[_. -]?token"
    r"|(?:client|app|application|consumer|api|oauth|jwt|webhook|shared|signing|token|session)[_. -]?secret"
    r"|[A-Z0-9]_(?:KEY|TOKEN|SECRET|CREDENTIALS?)|secret|token|credentials?"
)
_PASSWORD_NAMES: Final = r"passw(?:or)?d|passwd|passphrase|pwd"
_NOTHING: Final = (
    r"(?i)your|example|placeholder|changeme|change_me|insert|replace|redacted|dummy|sample|xxxx|\*\*\*|\.\.\.|1234567890?$"
    r"|<|\$\{|\$\(|\{\{|%\(|getenv|environ|process\.env|secrets?\."
)
"""What people write where they do not give a secret away."""
_WORD: Final = r"[A-Za-z]+(?:[_.-][A-Za-z]+)*\Z"
_RANDOM: Final = 3.0
"""Bits for each character: hexadecimal keys have 3.4 and more from 16 characters on, words and names less."""


def is_random(value: str) -> bool:
    """Whether `value` looks drawn: letters and digits mixed, and hardly any pattern in them."""
    if compiled(_NOTHING).search(value) or not any(map(str.isdigit, value)) or not any(map(str.isalpha, value)):
        return False
    counts = Counter(value).values()
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts) >= _RANDOM


def is_password(value: str) -> bool:
    """Whether `value` is what somebody would choose, and not a word of a sentence or a name in a program."""
    if compiled(_NOTHING).search(value) or compiled(_WORD).match(value):
        return False
    return any(not character.isalpha() and character not in "_.-" for character in value)


def is_quoted_password(value: str) -> bool:
    """The same for what stands in quotes behind an equals sign, where any word may be one."""
    return not compiled(_NOTHING).search(value) and value.lower() not in (
        "password",
        "string",
        "text",
        "none",
        "null",
        "secret",
    )


CREDENTIAL_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "private-key",
        # A whole block, or its head and the lines of base64 that are left where the end was cut off.
        (
            r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:[^-]*(?:-(?!----)[^-]*)*-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
            r"|(?:(?:\s|\\[nr])+[A-Za-z0-9+/=]{16,})+)"
        ),
        ("PRIVATE KEY",),
    ),
    rule(
        "jwt",
        r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?",
        "eyJ", hint="eyJ[A-Za-z0-9_-]{8,}[.]eyJ",
    ),
    # Behind the header's name anything is a token; elsewhere only what has a digit: "bearer responsibilities" is prose.
    rule(
        "bearer-token",
        r"(?P<keep>(?i:\bauthorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?bearer\s{1,3}))[A-Za-z0-9._~+/=-]{6,}",
        "earer ", "EARER ", hint="(?:earer|EARER) +[A-Za-z0-9._~+/-]{6}",
    ),
    rule(
        "bearer-token",
        r"(?P<keep>\b(?i:bearer)\s{1,3})(?=[A-Za-z._~+/-]{0,400}\d)[A-Za-z0-9._~+/-]{16,}=*",
        "earer ", "EARER ", hint="(?:earer|EARER) +[A-Za-z0-9._~+/-]{6}",
    ),
    Rule(
        "basic-auth",
        r"(?P<keep>(?i:\bauthorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?basic\s{1,3}))[A-Za-z0-9+/_-]{8,}={0,2}",
        (), hint="(?i:authorization).{0,12}(?i:basic) ",
    ),
    Rule(
        "url-password",
        (
            r"(?P<keep>(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,24}://[^\s/:@\"'<>\\\[\]]{0,64}:)"
            r"[^\s/@\"'<>\\\[\]]{1,256}(?=@[A-Za-z0-9\[])"
        ),
        ("://",), hint=r"://[^\s/:@]*:[^\s/@]*@",
    ),
    Rule(
        "secret",
        (
            rf"(?P<keep>(?i:{_TOKEN_NAMES}){_SEPARATOR}(?:{_QUOTE})?(?:(?i:bearer|basic|token|apikey|api-key)\s)?)"
            r"(?!\[REDACTED)(?=[A-Za-z0-9+/_~.=!@#$%^*-]{16})[A-Za-z0-9+/_~.=!@#$%^*-]{16,2000}"
        ),
        (), check=is_random, hint=r"(?i:key|token|secret|credentials?)(?:[_-](?i:id))?[^A-Za-z0-9]{0,8}[=:]",
    ),
    Rule(
        "password",
        (
            rf"(?P<keep>(?i:{_PASSWORD_NAMES})(?:{_QUOTE})?\]?\s{{0,3}}(?:=>|:=|==?|:)\s{{0,3}}{_QUOTE})"
            r"(?!\[REDACTED)[^\s\"'`\\]{4,256}(?=\\{0,3}[\"'`])"
        ),
        (), check=is_quoted_password, hint=r"(?i:passw|pwd|passphrase).{0,12}[=:]",
    ),
    Rule(
        "password",
        (
            rf"(?P<keep>(?i:{_PASSWORD_NAMES})\s{{0,3}}(?:(?i:is)\s{{1,3}}|[:=]\s{{0,3}}))"
            r"(?!\[REDACTED)[^\s\"'`\\<>(){},;&]{6,256}(?<![.?])"
        ),
        (), check=is_password, hint=r"(?i:passw|pwd|passphrase)(?:ord|d)?.{0,4}(?:[=:]| (?i:is) )",
    ),
    Rule(
        "password",
        # As an option of a command, and as an element of XML.
        (
            rf"(?P<keep>--(?i:[a-z-]{{0,24}}(?:{_PASSWORD_NAMES}))\s{{1,3}}[\"']?"
            rf"|<(?i:[a-z.:_-]{{0,32}}(?:{_PASSWORD_NAMES}))>\s{{0,3}})"
            r"(?!\[REDACTED)[^\s\"'`<>]{4,256}"
        ),
        (), check=is_password, hint=r"(?:--|<)(?i:[a-z.:_-]{0,32}(?:passw|pwd|passphrase)(?:ord|d)?)[ >]",
    ),
)  # fmt: skip
