"""A real Chromium for the tests of this folder."""

from tests.browser.chromium import browser, page

__all__ = ["browser", "page"]
