"""What the tests in a browser stand on."""

from __future__ import annotations

import pytest
from playwright.sync_api import Error


def test_it_reaches_nothing_but_this_machine(page):
    """A name of another machine is not even looked up."""
    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("https://example.com/")
    other = page.context.new_page()  # that one is still busy showing why it cannot
    other.goto("data:text/html,<h1>here</h1>")
    assert other.inner_text("h1") == "here"
