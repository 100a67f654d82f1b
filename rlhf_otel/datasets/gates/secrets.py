"""No row holds keys, e-mail addresses, card numbers or bank accounts: what a model has read, it may say."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from importlib import import_module
from typing import Final

from rlhf_otel.datasets.gates.finding import FAILED, PASSED, Finding, Sample, rows
from rlhf_otel.redact import Redactor

_PLACEHOLDER: Final = re.compile(r"\[REDACTED:([a-z-]+)\]")
_LIKE_A_CARD: Final = re.compile(r"\d{4}[ -]?\d{4}")
_LIKE_AN_ACCOUNT: Final = re.compile(r"[A-Z]{2}\d{2}[ A-Z0-9]")
"""What is in every one as people write them, and in few texts: a quick look before the slow one."""
_DIGITS: Final = re.compile(r"(?<![\w.-])(?:\d[ -]?){14,15}\d(?![\w-])")
_CARD: Final = re.compile(r"4\d{15}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}")
_IBAN: Final = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")


class Secrets:
    """Finds rows with something in them that should not be there."""

    name = "secrets"

    def __init__(self) -> None:
        with contextlib.suppress(ImportError):
            import_module("pydantic_core")  # what the redactor searches with where it is loaded: far faster
        self._redactor = Redactor()
        self._kinds: Counter[str] = Counter()
        self.hits: list[int] = []

    def see(self, sample: Sample) -> None:
        """Looks at every text of a row."""
        found = [kind for text in sample.texts for kind in self.kinds(text)]
        if found:
            self._kinds.update(found)
            self.hits.append(sample.number)

    def kinds(self, text: str) -> list[str]:
        """The kinds of secrets in `text`."""
        clean = self._redactor.text(text)
        found = _PLACEHOLDER.findall(clean) if clean != text else []
        before = _PLACEHOLDER.findall(text) if found else []
        found = list((Counter(found) - Counter(before)).elements())
        if _LIKE_A_CARD.search(text):
            found += ["card-number" for match in _DIGITS.finditer(text) if _is_card(match[0])]
        if _LIKE_AN_ACCOUNT.search(text):
            found += ["bank-account" for match in _IBAN.finditer(text) if _is_account(match[0])]
        return found

    def finding(self) -> Finding:
        """How many rows, and of which kinds."""
        facts = {"rows": len(self.hits), "kinds": dict(sorted(self._kinds.items()))}
        if not self.hits:
            return Finding(self.name, PASSED, "no keys, addresses, card numbers or bank accounts", facts)
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self._kinds.items()))
        return Finding(self.name, FAILED, f"{rows(len(self.hits))} with secrets: {kinds}", facts, self.hits)


def _is_card(text: str) -> bool:
    """Whether digits are those of a card: the issuer's range, the length and the check digit."""
    digits = re.sub(r"\D", "", text)
    if not _CARD.fullmatch(digits):
        return False
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _is_account(text: str) -> bool:
    """Whether an IBAN's check digits are right."""
    code = text.replace(" ", "")
    turned = code[4:] + code[:4]
    return 15 <= len(code) <= 34 and int("".join(str(int(char, 36)) for char in turned)) % 97 == 1
