"""What people and models write, on every page, in a real browser: none of it becomes more than text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import pytest

import rlhf_otel as rlhf
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store import Store
from tests.browser.sessions import logged_in
from tests.server.process import Serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

RUN = "alert(7141)"
SHAPES = [
    # Elements that run, load or send something by themselves.
    f"<script>{RUN}</script>", f"<SCRIPT>{RUN}</SCRIPT>", f"<script/x>{RUN}</script>",
    f"<scr<script>ipt>{RUN}</script>",
    f"</title><script>{RUN}</script>", f"</style><script>{RUN}</script>", f"</textarea><script>{RUN}</script>",
    f"--><script>{RUN}</script>", f"]]><script>{RUN}</script>", f"<script src=data:text/javascript,{RUN}></script>",
    "<script src=/canary-7141.js></script>", "<script type=module>import('/canary-7141.js')</script>",
    f"<img src=x onerror={RUN}>", f"<img src=x onerror='{RUN}'", f"<img/src=x/onerror={RUN}>", "<img src=/canary-7141>",
    "<img srcset='/canary-7141 1x'>", f"<image href=x onerror={RUN}>", f"<svg onload={RUN}>", f"<svg/onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>", f"<svg><animate onbegin={RUN} attributeName=x dur=1s>",
    f"<svg><a xlink:href='javascript:{RUN}'><text>x</text></a></svg>", "<svg><use href='/canary-7141#x'/></svg>",
    f"<math><mtext></form><mglyph><style></math><img src onerror={RUN}>", f"<video><source onerror={RUN}></video>",
    f"<audio src=x onerror={RUN}>", "<video poster=/canary-7141>", f"<iframe src='javascript:{RUN}'></iframe>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>", f"<object data='javascript:{RUN}'></object>",
    f"<embed src='data:text/html,<script>{RUN}</script>'>", f"<details open ontoggle={RUN}>x</details>",
    f"<body onload={RUN}>", f"<input autofocus onfocus={RUN}>", f"<select autofocus onfocus={RUN}></select>",
    f"<marquee onstart={RUN}>x</marquee>", f"<template shadowrootmode=open><img src=x onerror={RUN}></template>",
    "<link rel=stylesheet href=/canary-7141.css>", "<link rel=prefetch href=/canary-7141>",
    "<base href=//evil.example/>",
    "<style>@import '/canary-7141.css'</style>", "<style>*{background:url(/canary-7141)}</style>",
    f"<meta http-equiv=refresh content='0;url=javascript:{RUN}'>",
    "<meta http-equiv=refresh content='0;url=/canary-7141'>",
    "<form action=/canary-7141><button autofocus>x</button></form>", "<p style='background:url(/canary-7141)'>x",
    # Out of an attribute, out of a quoted word, out of a template.
    f"\" onmouseover={RUN} x=\"", f"' onmouseover={RUN} x='", f"\"><img src=x onerror={RUN}>", f"'><svg onload={RUN}>",
    f"` onmouseover={RUN}", f"x onclick={RUN} y", f"\\\"><script>{RUN}</script>", f"</a><script>{RUN}</script>",
    f"javascript:{RUN}", f"JaVaScRiPt:{RUN}", f"java\tscript:{RUN}", f"data:text/html,<script>{RUN}</script>",
    f"';{RUN};//", f"\";{RUN};//", f"</script><script>{RUN}</script>", f"${{{RUN}}}", "{{7*7}}", "{% raw %}{{ 7*7 }}",
    f"{{{{constructor.constructor('{RUN}')()}}}}", f"{{{{ cycler.__init__.__globals__.os.popen('{RUN}') }}}}",
    # What Markdown would make of it, if somebody made it.
    f"[x](javascript:{RUN})", "![x](/canary-7141)", "![x](http://127.0.0.1:9/canary-7141?d=secret)",
    f"[x]: javascript:{RUN}\n[x]", f"<javascript:{RUN}>", "```html\n<script>alert(7141)</script>\n```",
    # Encodings and characters that browsers, filters and eyes read differently.
    f"&lt;script&gt;{RUN}&lt;/script&gt;", f"&#60;script&#62;{RUN}&#60;/script&#62;", f"%3Cscript%3E{RUN}%3C/script%3E",
    f"\u003cscript\u003e{RUN}\u003c/script\u003e", f"＜script＞{RUN}＜/script＞", f"<\x00script>{RUN}</script>",
    f"<script\x0b>{RUN}</script>", f"+ADw-script+AD4-{RUN}+ADw-/script+AD4-", "\u202e<script>\u202c", "\ud800<script>",
    "\x1b]0;owned\x07\x1b[2J", "a\r\nSet-Cookie: x=1", "<!--", "<![CDATA[<script>", "<?xml version='1.0'?>",
    "\u2028\u2029",
    "<a href=# id=main>x</a><a id=main name=path>", "<form id=feedback><input name=id></form>", "A" * 5000,
]  # fmt: skip
"""Ways to get a page to run or load something, each of which says so: by an alert, or by asking for a canary."""


def call(number: int, text: str) -> tuple[Interaction, Feedback]:
    """A call in which this text is everywhere that somebody can write, and feedback on it."""
    parts: list[Any] = [
        {"type": "text", "content": text}, {"type": "reasoning", "content": text}, {"type": text, "content": text},
        {"type": "tool_call", "name": text, "arguments": {text: text}, "id": text},
        {"type": "tool_call_response", "response": text}, {"type": "uri", "uri": text, "modality": text},
        {"type": "blob", "modality": "image", "mime_type": text, "content": text},
    ]  # fmt: skip
    one = Interaction(
        trace_id=f"{number + 1:032x}", span_id=f"{number + 1:016x}", start_ns=1_790_000_000_000_000_000 + number,
        end_ns=1_790_000_001_000_000_000, name=text, operation=text, provider=text, request_model=text,
        response_model=text, response_id=text, finish_reasons=[text], error_type=text, error_message=text,
        status="error", input=[{"role": text, "parts": parts}], system=parts, tools=[{"name": text, text: text}],
        output=[{"role": text, "parts": parts, "finish_reason": text}], session=text, user=text, message_id=text,
        variant=text, context={text: text}, attributes={text: text, "x": [text]}, resource={"service.name": text},
    )  # fmt: skip
    given = Feedback(
        id=f"{number}:{text[:50]}", name=text, kind="custom", value=text, label=text, time_ns=one.end_ns, rater=text,
        comment=text, correction=text, quote=text, trace_id=one.trace_id, span_id=one.span_id, metadata={text: text},
    )  # fmt: skip
    return one, given


def waiting(store: Path) -> None:
    """Has a call wait for approval for every shape, as much feedback on no call, and a last call that has them all."""
    rlhf.instrument(store=str(store), review_before_submit=True, redact=False)
    for text in SHAPES:
        rlhf.capture(prompt=text, response=text, model=text, provider=text, attributes={text: text})
        rlhf.feedback.record(span_id=f"{len(text):016x}", value=text, kind="custom", name=text, comment=text)
    messages = [{"role": text, "parts": [{"type": text, "content": text, text: text}]} for text in SHAPES]
    with rlhf.context(**{f"x{text}": text for text in SHAPES}):
        last = rlhf.capture(prompt=messages, response=SHAPES[0], model="all", error=SHAPES[0], steps=SHAPES)
    assert last is not None
    for text in SHAPES:
        given = {"comment": text, "label": text, "rater": text, "quote": text, "metadata": {text: text}}
        rlhf.feedback.record(last, text, kind="custom", name=text, **given)
        rlhf.feedback.correct(last, f"{text}.", rater=text)
    assert rlhf.shutdown(20)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """A server whose store has one such call for every shape, beside a queue for review with as many."""
    path = tmp_path_factory.mktemp("hostile") / "store.db"
    pairs = [call(number, text) for number, text in enumerate(SHAPES)]
    superseded = [replace(given, id=f"{given.id}#", time_ns=given.time_ns - 1) for _, given in pairs]
    with Store.open(path) as store:
        store.add([one for one, _ in pairs], [*(given for _, given in pairs), *superseded])
    waiting(path)
    with Serve(path) as running:
        yield running


@pytest.fixture
def visitor(page: Page, browser: Browser, hostile: Serve) -> Iterator[tuple[Page, list[str]]]:
    """Somebody who has logged in, and a list of whatever happens that nobody asked for."""
    happened: list[str] = []
    context: BrowserContext = page.context
    context.on("dialog", lambda dialog: (happened.append(f"dialog {dialog.message}"), dialog.dismiss()))
    context.on("request", lambda asked: happened.append(asked.url) if is_canary(asked.url) else None)
    context.on("page", lambda opened: happened.append(f"opened {opened.url}"))
    context.on("console", lambda said: happened.append(said.text) if "Security Policy" in said.text else None)
    context.set_default_timeout(60_000)
    context.add_cookies(logged_in(browser, hostile))
    yield page, happened


def is_canary(url: str) -> bool:
    """Whether a page was made to ask for what only hostile text names."""
    return urlsplit(url).path.startswith("/canary-7141")


MADE = """() => ['script', 'style', 'iframe', 'object', 'embed', 'base', 'img', 'svg', 'video', 'audio', 'link', 'meta']
    .map(name => document.getElementsByTagName(name).length)"""
"""How many elements a page has of those that load or run something."""
PLAIN = [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 3]
"""So many on a page that is as we wrote it."""


def poked(page: Page) -> None:
    """Moves over everything, opens everything that opens, and gives everything the focus."""
    page.evaluate("""() => {
        for (const each of document.querySelectorAll('details')) each.open = true;
        for (const each of document.querySelectorAll('*')) {
            for (const kind of ['mouseover', 'focus', 'toggle', 'click'])
                if (!(each.closest('a,button,form') && kind === 'click')) each.dispatchEvent(new Event(kind));
        }
    }""")


def test_the_list_of_calls_is_text(visitor: tuple[Page, list[str]], hostile: Serve) -> None:
    """On every page of the list: nothing runs, nothing is loaded, the policy has nothing to forbid."""
    page, happened = visitor
    address, seen = f"{hostile.url}/?limit=50", 0
    while address:
        page.goto(address)
        poked(page)
        seen += page.locator("a.call").count()
        more = page.locator(".more a")
        address = hostile.url + (more.get_attribute("href") or "") if more.count() else ""
    assert seen == len(SHAPES)
    assert happened == []


@pytest.mark.parametrize("part", range(4))
def test_every_call_is_text(visitor: tuple[Page, list[str]], hostile: Serve, part: int) -> None:
    """The page of each shows what was written, letter by letter, and does nothing that it says."""
    page, happened = visitor
    for number, text in list(enumerate(SHAPES))[part::4]:
        page.goto(f"{hostile.url}/calls/{number + 1:016x}")
        poked(page)
        assert happened == [], text
        assert page.evaluate(MADE) == PLAIN, text
        shown = page.locator(".message.answer .text").first.evaluate("each => each.textContent")
        assert shown == as_read(text)
        assert page.locator(".opinion .text").first.evaluate("each => each.textContent") == as_read(text)


def test_what_waits_for_approval_is_text(visitor: tuple[Page, list[str]], hostile: Serve) -> None:
    """In the list, on a page with every shape in fields to be changed, in their names and in feedback, and in URLs."""
    page, happened = visitor
    page.goto(f"{hostile.url}/review")
    poked(page)
    assert happened == []
    assert page.locator("a.call").count() == 2 * len(SHAPES) + 1
    assert page.evaluate(MADE) == PLAIN
    singles = page.locator("a.call").evaluate_all("all => all.map(each => each.href)")[::19]
    page.locator("a.call", has_text="chat all").click()
    poked(page)
    fields = page.locator("textarea").evaluate_all("all => all.map(each => each.value)")
    assert {as_read(text) for text in SHAPES} <= set(fields)
    assert page.locator(".opinion").count() == 2 * len(SHAPES)
    page.get_by_role("button", name="Save changes").click()
    assert page.locator("textarea").evaluate_all("all => all.map(each => each.value)") == fields
    asked = [quote(text.encode("utf-8", "replace")) for text in SHAPES[::30]]
    told = [f"{hostile.url}/review?{key}={word}" for word in asked for key in ("said", "id")]
    for address in (page.url, *singles, *told):
        page.goto(address)
        poked(page)
        assert page.locator("h1").count() == 1
        assert page.evaluate(MADE) == PLAIN
    assert happened == []


def as_read(text: str) -> str:
    """What a browser makes of characters that HTML cannot hold."""
    return text.replace("\ud800", "?").replace("\r\n", "\n").replace("\x00", "")


def test_what_somebody_asks_for_is_text(visitor: tuple[Page, list[str]], hostile: Serve) -> None:
    """In the URL of a filter, of a login and of nothing at all."""
    page, happened = visitor
    for text in SHAPES[::4]:
        asked = quote(text.encode("utf-8", "replace"))
        for address in (f"/?session={asked}", f"/?model={asked}", f"/?{asked}=1", f"/login?code={asked}", f"/{asked}"):
            page.goto(hostile.url + address)
            poked(page)
            assert happened == [], address


def test_json_is_no_page(visitor: tuple[Page, list[str]], hostile: Serve) -> None:
    """A browser that is led to the JSON shows it as what it is."""
    page, happened = visitor
    for address in ("/api/interactions?limit=200", "/api/feedback?limit=200", "/api/stats"):
        page.goto(hostile.url + address)
        assert page.evaluate("document.contentType") == "application/json"
    assert happened == []


def test_no_page_of_another_server_can_show_ours(visitor: tuple[Page, list[str]], hostile: Serve) -> None:
    """Nobody's clicks are led by a frame."""
    page, _ = visitor
    page.route("**/framing", lambda route: route.fulfill(content_type="text/html",
                                                         body=f"<iframe src='{hostile.url}/'></iframe>"))  # fmt: skip
    page.goto("http://localhost:1/framing")
    page.wait_for_timeout(300)
    assert "Calls" not in (page.frames[1].content() if len(page.frames) > 1 else "")
