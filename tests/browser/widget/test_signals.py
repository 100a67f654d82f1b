"""What people do with an answer is told where the page marks it, and nowhere else."""

from __future__ import annotations

from .conftest import soon

GONE = "about:blank"


def answer(token, content):
    return f'<article data-rlhf-token="{token}">{content}</article>'


def signals(found):
    return [(f.signal, f.value) for f in found]


def test_buttons(site, call, token, given):
    """Pressing what is marked is the signal that it names, once, by mouse or keyboard, whatever is inside."""
    buttons = "".join(
        f'<button data-rlhf-signal="{word}"><b>{word}</b></button>'
        for word in ("regenerate", "continue", "accept", "reject", "copy")
    )
    page = site.show(
        answer(token, buttons) + f'<button data-rlhf-token="{token}" data-rlhf-signal="abandon">x</button>'
    )
    for button in page.get_by_role("button").all():
        button.locator("b").or_(button).last.click()
        button.press("Enter")
    site.wait("sent", 6)
    assert signals(given(call, history=True)) == [
        ("regenerate", 0.2), ("continue", 0.7), ("accept", 0.9), ("reject", 0.1), ("copy", 0.8), ("abandon", 0.3),
    ]  # fmt: skip


def test_what_is_not_marked(site, token):
    """Clicks, copies and edits elsewhere, or without a token around them, say nothing."""
    page = site.show(
        f"""<p id="a">words</p><textarea>text</textarea><button>press</button>
        <p id="b" data-rlhf-watch="copy">no token</p><button data-rlhf-signal="accept">no token</button>
        <div data-rlhf-token="{token}"><p id="c" data-rlhf-watch="dwell">not for copies</p></div>"""
    )
    for name in ("a", "b", "c"):
        page.locator(f"#{name}").select_text()
        page.keyboard.press("Control+C")
    page.get_by_role("textbox").fill("another")
    for button in page.get_by_role("button").all():
        button.click()
    assert page.evaluate("told") == []


def test_a_copy(site, call, token, given):
    """That it was copied, and how much; never the words."""
    page = site.show(answer(token, '<p data-rlhf-watch="copy">four words of it</p>'))
    page.locator("p").select_text()
    for _ in range(2):
        page.keyboard.press("Control+C")
    site.wait("sent")
    (copy,) = given(call, history=True)
    assert (copy.signal, copy.metadata["characters"], copy.comment, copy.quote) == ("copy", 16, None, None)


def test_edits(site, call, token, given):
    """A changed text is sent when its field is left, the last of several counts; an unchanged one is not."""
    page = site.show(
        answer(token, '<div data-rlhf-watch="edit" contenteditable="true" role="textbox">as it was</div>')
        + "<button>elsewhere</button>"
    )
    field, elsewhere = page.get_by_role("textbox"), page.get_by_role("button")
    field.focus()
    elsewhere.focus()
    for text in ("better", "best"):
        field.fill(text)
        elsewhere.focus()
    (edit,) = soon(lambda: given(call), lambda found: any(f.correction == "best" for f in found))
    assert (edit.signal, edit.correction, edit.value) == ("edit", "best", 0.3)
    field.fill("best of all")
    page.goto(GONE)
    site.show("<p>next</p>")
    site.wait("sent")
    assert [f.correction for f in given(call)] == ["best of all"]


def test_dwelling(site, call, token, later):
    """How long an answer was in sight goes when the page does; what was out of sight has no time."""
    page = site.show("".join(f'<article data-rlhf-token="{each}"></article>' for each in (token, "rlt_of another")))
    page.locator("article").evaluate_all(  # as an application does that draws its answers later, far from each other
        """(articles) => articles.forEach((article) => {
          const answer = document.createElement("p");
          answer.textContent = "an answer";
          answer.dataset.rlhfWatch = "dwell";
          article.style.marginBottom = "5000px";
          article.append(answer);
        })"""
    )
    page.wait_for_timeout(1200)
    page.goto(GONE)
    (dwell,) = later(call, 1)
    assert (dwell.signal, dwell.value) == ("dwell", None)
    assert 1 <= dwell.metadata["seconds"] < 60
    site.show("<p>next</p>")
    assert [told["metadata"]["seconds"] for told in site.wait("sent")] == [dwell.metadata["seconds"]]


SEEN = {"device", "platform", "language", "time_zone", "viewport", "screen"}


def context(site, token, later, call, count, **options):
    page = site.show(f'<rlhf-feedback token="{token}"></rlhf-feedback>', path=f"/{count}", **options)
    page.get_by_role("button", name="Good").click()
    site.wait("sent")
    page.evaluate("sessionStorage.clear()")
    return later(call, count)[-1].metadata


def test_context_as_it_is_configured(site, page, call, token, later):
    """Six things by default, all that are named or none: never the address, referrer and browser unless named."""
    page.set_viewport_size({"width": 800, "height": 600})
    metadata = context(site, token, later, call, 1)
    assert set(metadata) == SEEN
    assert (metadata["device"], metadata["viewport"], metadata["language"]) == ("desktop", "800x600", "en-US")
    assert context(site, token, later, call, 2, context="none") == {}
    told = context(site, token, later, call, 3, context="user-agent page referrer")
    assert set(told) == {"user_agent", "page"}
    assert told["page"] == f"{site.origin}/3"


def test_a_phone(browser, site, call, token, later):
    """A small touch screen is a phone, a large one a tablet."""
    found = []
    for number, (width, height) in enumerate(((390, 844), (820, 1180)), 1):
        device = browser.new_context(has_touch=True, is_mobile=True, viewport={"width": width, "height": height},
                                     screen={"width": width, "height": height})  # fmt: skip
        site.page = device.new_page()
        site.page.add_init_script(
            "window.told = []; addEventListener('rlhf-feedback', ({ detail }) => told.push(detail))"
        )
        found.append(context(site, token, later, call, number, context="device")["device"])
        device.close()
    assert found == ["phone", "tablet"]
