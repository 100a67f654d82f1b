"""The Chromium that tests drive: fixtures for a `browser` and a `page`, skipped where there is none.

Another folder's conftest imports the fixtures from here. `python -m tests.browser.chromium` says which program it is.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright

from tests.conftest import NO_BROWSER

PROGRAM = "RLHF_OTEL_TEST_BROWSER"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    # Nothing but this machine can be reached.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)  # fmt: skip


def program(playwright: Playwright) -> str | None:
    """The program of the machine's Chromium, else of the one that Playwright has installed."""
    named = os.environ.get(PROGRAM)
    found = [named] if named else [shutil.which(name) for name in NAMES]
    return next((path for path in (*found, playwright.chromium.executable_path) if path and Path(path).exists()), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A running headless Chromium. A module each: while one runs, no event loop can be started in the tests' thread."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip(f"{NO_BROWSER}Playwright is not installed")
    with sync_playwright() as playwright:
        path = program(playwright)
        if path is None:
            pytest.skip(f"{NO_BROWSER}tests/browser/install.sh installs one, {PROGRAM} names one")
        running = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a person who has never been here; no test passes in which a script of the page has thrown."""
    context = browser.new_context()
    context.set_default_timeout(10_000)
    opened, thrown = context.new_page(), []
    context.on("weberror", lambda error: thrown.append(str(error.error)))
    yield opened
    context.close()
    assert thrown == []


if __name__ == "__main__":
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        where = program(started)
    print(where or "there is no Chromium")
    sys.exit(0 if where else 3)
