"""What holds for all tests."""

from __future__ import annotations

import os
import signal

import pytest

from tests.real_data.convert import FOLDER

SLOW = "RLHF_OTEL_TEST_SLOW"
COLLECTOR_NOT_BUILT = "the real collector is not built: "
"""How the reason begins for which a test of the collector is skipped."""
NO_BROWSER = "there is no browser: "
"""The same for a test in a browser."""


def pytest_configure() -> None:
    """Has the processes that tests start be interrupted by Ctrl-C, also where the tests themselves run in a shell's
    background and are not.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves out the slow tests, unless they are asked for, and those whose data is not here."""
    reasons = {}
    if not os.environ.get(SLOW):
        reasons["slow"] = f"slow; {SLOW}=1 or `make test-all` runs it"
    if not FOLDER.is_dir():
        reasons["real_data"] = f"there is no {FOLDER}"
    for item in items:
        for marker, reason in reasons.items():
            if item.get_closest_marker(marker) is not None:
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says aloud what was skipped for lack of a large program: among many lines nobody would see it."""
    told = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", ())]
    for reason, what in ((COLLECTOR_NOT_BUILT, "OF THE COLLECTOR"), (NO_BROWSER, "IN A BROWSER")):
        without = [line for line in told if reason in line]
        if without:
            why = without[0].split(reason)[1].rstrip("')")
            terminalreporter.section(f"THE TESTS {what} WERE SKIPPED", yellow=True, bold=True)
            terminalreporter.line(f"{len(without)} tests: {reason}{why}", yellow=True, bold=True)
