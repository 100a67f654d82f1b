"""No row holds keys, e-mail addresses, card numbers or bank accounts: what a model has read, it may say."""

from __future__ import annotations

import contextlib
from collections import Counter
from importlib import import_module

from rlhf_otel.config import load
from rlhf_otel.datasets.gates.finding import FAILED, PASSED, Finding, Sample, rows
from rlhf_otel.redact import redactor_for
from rlhf_otel.redact.rule import PLACEHOLDER


class Secrets:
    """Finds rows with something in them that should not be there: what the settings of redaction want to be taken out,
    whether calls are redacted or not.
    """

    name = "secrets"

    def __init__(self) -> None:
        with contextlib.suppress(ImportError):
            import_module("pydantic_core")  # what the redactor searches with where it is loaded: far faster
        self._redactor = redactor_for(load(), always=True)
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
        if clean == text:
            return []
        found = Counter(match[1] for match in PLACEHOLDER.finditer(clean))
        return list((found - Counter(match[1] for match in PLACEHOLDER.finditer(text))).elements())

    def finding(self) -> Finding:
        """How many rows, and of which kinds."""
        facts = {"rows": len(self.hits), "kinds": dict(sorted(self._kinds.items()))}
        if not self.hits:
            return Finding(self.name, PASSED, "no keys, addresses, numbers of telephones, cards or accounts", facts)
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self._kinds.items()))
        return Finding(self.name, FAILED, f"{rows(len(self.hits))} with secrets: {kinds}", facts, self.hits)
