"""Whether a number is what it looks like: a card, a bank account, an address of the internet, a telephone."""

from __future__ import annotations

import re
from typing import Final

from rlhf_otel.redact.rule import compiled

_CARD: Final = (
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|6(?:011|5\d\d|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17}"
)
"""Visa, Mastercard, American Express, Diners Club, Discover, JCB and UnionPay, by their ranges and lengths."""


def is_card(text: str) -> bool:
    """Whether digits are those of a card: the issuer's range, the length and the check digit."""
    digits = re.sub(r"\D", "", text)
    if not compiled(_CARD).fullmatch(digits):
        return False
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def is_account(text: str) -> bool:
    """Whether an IBAN's check digits are right."""
    code = text.replace(" ", "")
    turned = code[4:] + code[:4]
    return 15 <= len(code) <= 34 and int("".join(str(int(char, 36)) for char in turned)) % 97 == 1


def is_public_address(text: str) -> bool:
    """Whether an IP address is one of the internet, by which a person can be found; none of a private network is.

    Four single digits are the number of a version or of a section, if not of a well-known server.
    """
    import ipaddress

    try:
        return ipaddress.ip_address(text).is_global and len(text) > len("1.2.3.4")
    except ValueError:
        return False


def is_telephone(text: str) -> bool:
    """Whether an international number has as many digits as one may have, and not all alike."""
    digits = re.sub(r"\D", "", text)
    return 8 <= len(digits) <= 15 and len(set(digits)) > 2
