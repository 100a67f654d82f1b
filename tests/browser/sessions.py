"""Logging in, once for each server: its login URL works once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, SetCookieParam

    from tests.server.process import Serve

_cookies: dict[str, list[SetCookieParam]] = {}


def logged_in(browser: Browser, server: Serve) -> list[SetCookieParam]:
    """The cookies of somebody who has opened the login URL and come to the calls, without a script."""
    if server.login not in _cookies:
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(server.login)
        page.wait_for_url(f"{server.url}/")
        _cookies[server.login] = context.cookies()  # type: ignore[assignment]
        context.close()
    return _cookies[server.login]


def forget() -> None:
    """Has everybody log in anew: somebody has logged out."""
    _cookies.clear()
