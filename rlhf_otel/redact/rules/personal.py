"""What tells who somebody is: addresses, telephones, accounts, cards."""

from __future__ import annotations

from typing import Final

from rlhf_otel.redact import numbers
from rlhf_otel.redact.rule import Rule

_LABEL: Final = r"[A-Za-z0-9À-ɏ][A-Za-z0-9À-ɏ-]{0,62}"
_GAP: Final = r"[ .\-/]{0,2}"

PERSONAL_RULES: Final[tuple[Rule, ...]] = (
    # No TLD, no address: "user@host" is a shell prompt. An opening bracket makes it code: "q@k.transpose(0, 1)".
    Rule(
        "email",
        (
            r"(?<![A-Za-z0-9À-ɏ._%+-])(?!git@)[A-Za-z0-9À-ɏ._%+-]{1,64}(?<![.%+])(?:@|%40)"
            rf"(?:{_LABEL}\.){{1,8}}[A-Za-zÀ-ɏ]{{2,24}}(?![A-Za-z0-9À-ɏ_(-])"
        ),
        ("@", "%40"), "email",  # the second in URLs
    ),
    Rule(
        "iban",
        r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])",
        (), "iban", numbers.is_account, hint="[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4} ?[A-Z0-9]{4}",
    ),
    Rule(
        "card",
        r"(?<![A-Za-z0-9_.,-])\d(?:[ -]?\d){12,18}(?![A-Za-z0-9_-]|[.,]\d)",
        (), "card", numbers.is_card, hint="[0-9]{4}[ -]?[0-9]{2}[ -]?[0-9]{2}[ -]?[0-9]{4}",
    ),
    # With a plus it may come from anywhere; without one it has the shape of its country, or says what it is.
    Rule(
        "phone",
        rf"(?<![A-Za-z0-9_+./-])\+[1-9]\d{{0,2}}{_GAP}(?:\(0?\d{{1,4}}\){_GAP})?\d(?:{_GAP}\d){{5,11}}(?![A-Za-z0-9_-]|[.,]\d)",
        ("+",), "phone", numbers.is_telephone, hint=r"\+[1-9][0-9 .()/-]{7}",
    ),
    Rule(
        "phone",
        (
            r"(?<![A-Za-z0-9_+./$€£#-])(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-.])[2-9]\d\d[-.]\d{4}"
            r"(?![A-Za-z0-9_-]|[.,]\d)"
            r"|(?<![A-Za-z0-9_+./,-])0[1-9](?: \d\d){4}(?![A-Za-z0-9_-]| ?\d|[.,]\d)"
            r"|(?<![A-Za-z0-9_+./,-])0[1-9]\d{1,3} \d{3,4} \d{3,4}(?![A-Za-z0-9_-]| \d|[.,]\d)"
        ),
        (), "phone",
        hint=r"[2-9][0-9]{2}\)? ?[-.]?[2-9][0-9]{2}[-.][0-9]{4}|0[1-9] [0-9]{2} [0-9]{2} |0[1-9][0-9]{1,3} [0-9]{3}",
    ),
    Rule(
        "phone",
        (
            r"(?P<keep>\b(?i:tel|telephone|phone|mobile|cell|fax|call|whatsapp|telefon|t[eé]l[eé]phone)"
            r"(?: (?i:no|nr|number|is|at|me|us|back|on)){0,3}[.:]{0,2}\s{0,2})"
            r"\(?\d(?:[ ()./-]{0,2}\d){6,13}(?![A-Za-z0-9_-]|[.,]\d)"
        ),
        (), "phone", numbers.is_telephone, hint="[0-9](?:[ ()./-]{0,2}[0-9]){6}",
    ),
    Rule(
        "ip",
        r"(?<![A-Za-z0-9_.:/-])(?:\d{1,3}\.){3}\d{1,3}(?![A-Za-z0-9_-]|\.\d)|(?<=://)(?:\d{1,3}\.){3}\d{1,3}(?![A-Za-z0-9_.-])",
        (), "ip", numbers.is_public_address, hint=r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]",
    ),
    Rule(
        "ip",
        r"(?<![A-Za-z0-9_:.])[23][0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}(?![A-Za-z0-9_:])",
        (), "ip", numbers.is_public_address, hint="[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{4}",
    ),
)  # fmt: skip
