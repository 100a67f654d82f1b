"""How often somebody may ask, and how often they may be wrong about who they are."""

from __future__ import annotations

from rlhf_otel.server.answers import TOO_MANY, Refusal
from rlhf_otel.web.limits import Rates

FAILURES = 10
"""Wrong tokens and login codes a minute from one address. Who then shows a right one is let in all the same: they are
random and too long to be found by trying, and somebody else at the address may be the one who tries."""


class Limits:
    """Counts by the minute.

    Args:
        most: requests a minute by one person or token, or from one address that has shown none.
        failures: wrong credentials a minute from one address.
    """

    def __init__(self, most: int, failures: int = FAILURES) -> None:
        self._most, self._failures = most, failures
        self._rates = Rates()

    def asked(self, who: str) -> None:
        """Counts a request.

        Raises:
            Refusal: there were too many.
        """
        _refuse(self._rates.wait(("asked", who), self._most))

    def failed(self, address: str) -> None:
        """Counts a credential that was wrong.

        Raises:
            Refusal: there were too many.
        """
        _refuse(self._rates.wait(("failed", address), self._failures))


def _refuse(wait_s: int) -> None:
    if wait_s:
        raise Refusal(TOO_MANY, f"too many requests; come again in {wait_s} s", retry_after_s=wait_s)
