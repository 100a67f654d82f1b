"""The pages in a real browser: read by everybody, on anything, without a script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

from rlhf_otel.store import Store
from tests.browser.sessions import forget, logged_in
from tests.server.access.visiting import CALL, OPINION
from tests.server.process import Serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LONG = "a-name-without-a-place-to-break-" * 12


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """A server with a short call and one whose words are long, both rated."""
    from dataclasses import replace

    path = tmp_path_factory.mktemp("pages") / "store.db"
    parts = [{"type": "text", "content": LONG}, {"type": "tool_call", "name": LONG, "arguments": {"q": LONG}}]
    long = replace(
        CALL, span_id="00f067aa0ba902b8", start_ns=CALL.start_ns - 1, request_model=LONG, session=LONG, user=LONG,
        output=[{"role": "assistant", "parts": parts}], attributes={LONG: LONG}, context={"k": LONG},
    )  # fmt: skip
    said = replace(OPINION, id="f-2", span_id=long.span_id, comment=LONG, correction=LONG, rater=LONG, name=LONG)
    with Store.open(path) as store:
        store.add([CALL, long], [OPINION, said])
    with Serve(path) as running:
        yield running


@pytest.fixture(params=["light", "dark"])
def anybody(request: pytest.FixtureRequest, browser: Browser, server: Serve) -> Iterator[Page]:
    """Somebody with a small screen and no scripts, in light and in dark."""
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=request.param)
    context.add_cookies(logged_in(browser, server))
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("path", ["/", "/login", "/nothing", f"/calls/{CALL.span_id}", "/calls/00f067aa0ba902b8",
                                  "/?has_feedback=false&session=x"])  # fmt: skip
def test_every_page_can_be_read_by_everybody(anybody: Page, server: Serve, path: str) -> None:
    """No fault that axe knows, in light and in dark; nothing runs over the edge of a screen of 360 pixels."""
    anybody.goto(server.url + path)
    anybody.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    found = Axe().run(anybody)
    assert found.violations_count == 0, found.generate_report()
    assert anybody.evaluate("document.documentElement.scrollWidth") == 360


def test_the_way_from_the_login_to_a_call_and_out_needs_no_script(browser: Browser, server: Serve) -> None:
    """By links and buttons alone, and by the keyboard."""
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies(logged_in(browser, server))
    page = context.new_page()
    page.goto(server.url)
    assert page.locator("a.call").count() == 2
    page.keyboard.press("Tab")
    assert page.locator(":focus").text_content() == "Skip to the content"
    page.locator("a.call").first.click()
    assert page.locator("h1").text_content() == "gpt-4.1"
    assert page.locator(".message.answer .text").text_content() == "A bird."
    assert page.locator(".opinion").text_content() is not None
    page.get_by_text("As JSON", exact=False).click()
    assert "canary-7141" in page.content()
    page.go_back()
    page.get_by_role("button", name="Log out").click()
    assert page.locator("h1").text_content() == "Log in"
    page.goto(server.url)
    assert page.locator("a.call").count() == 0
    context.close()
    forget()
