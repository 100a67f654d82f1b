"""Everybody can use it: in light and dark, by ear and by keyboard, large, still, and without colours."""

from __future__ import annotations

import importlib.resources

import pytest

AXE = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js")


def everything(token):
    return f"""<h1>Answers</h1>
        <p>Thumbs</p><rlhf-feedback token="{token}" comment></rlhf-feedback>
        <p>Stars</p><rlhf-feedback token="{token}" stars comment name="b"></rlhf-feedback>
        <p>Aspects</p><rlhf-feedback token="{token}" name="c" aspects="accuracy: Accuracy, tone: Tone"></rlhf-feedback>
        <p>Steps</p><rlhf-feedback token="{token}" name="d" steps="Look it up | Add it up | Say it"></rlhf-feedback>"""


def used(page):
    """Everything in one of its states."""
    thumbs, stars, aspects, steps = page.locator("rlhf-feedback").all()
    thumbs.get_by_role("button", name="Good").click()
    thumbs.get_by_role("textbox").fill("good, but long")
    stars.get_by_role("radio", name="4 of 5 stars").click()
    aspects.get_by_role("group", name="Tone").get_by_role("button", name="Bad").click()
    steps.get_by_role("group", name="Add it up").get_by_role("button", name="Good").click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_accessibility_engine_finds_nothing(site, page, token, scheme):
    """Untouched, used, and with the focus in it."""
    page.emulate_media(color_scheme=scheme)
    site.show(everything(token))
    page.evaluate(AXE.read_text(encoding="utf-8"))
    run = "axe.run(document, { resultTypes: ['violations', 'incomplete'] })"
    for act in (lambda page: None, used, lambda page: page.keyboard.press("Tab")):
        act(page)
        found = page.evaluate(run)
        assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
        assert [(each["id"], each["nodes"][0]["html"]) for each in found["incomplete"]] == []
        assert len(found["passes"]) > 15
    site.wait("sent", 4)


def test_what_a_screen_reader_hears(site, page, token):
    """Groups with their names, states, and what became of a vote without moving there."""
    site.show(everything(token))
    used(page)
    site.wait("sent", 4)
    thumbs, stars, _, steps = page.locator("rlhf-feedback").all()
    assert thumbs.aria_snapshot().splitlines() == [
        '- group "Rate this answer":',
        '  - button "Good" [pressed]',
        '  - button "Bad"',
        '  - button "Comment" [expanded]',
        "  - status: Thank you",
        '- textbox "Comment":',
        "  - /placeholder: What was good, what was not?",
        "  - text: good, but long",
        '- button "Send"',
    ]
    assert '  - radio "4 of 5 stars" [checked]' in stars.aria_snapshot().splitlines()
    assert steps.aria_snapshot().splitlines()[3:] == [
        '- group "Look it up":', "  - text: Look it up", '  - button "Good"', '  - button "Bad"',
        '- group "Add it up":', "  - text: Add it up", '  - button "Good" [pressed]', '  - button "Bad"',
        "  - status: Thank you",
        '- group "Say it":', "  - text: Say it", '  - button "Good"', '  - button "Bad"',
    ]  # fmt: skip


@pytest.mark.parametrize(("width", "zoom"), [(320, 1), (640, 2), (1280, 4)])
def test_small_and_large(site, page, token, width, zoom):
    """On a phone and at four times the size, nothing is cut off and nobody scrolls sideways."""
    page.set_viewport_size({"width": width // zoom, "height": 800})
    site.show(everything(token))
    used(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    boxes = [box for each in page.locator("button, label").all() if (box := each.bounding_box())]
    assert len(boxes) > 15
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= width // zoom for box in boxes)
    assert all(box["width"] >= 24 and box["height"] >= 24 for box in boxes)


def test_text_of_twice_the_size(site, page, token):
    """It grows with the text of the page."""
    site.show(everything(token))
    height = "document.querySelector('rlhf-feedback').getBoundingClientRect().height"
    before = page.evaluate(height)
    page.evaluate("document.documentElement.style.fontSize = '32px'")
    assert page.evaluate(height) == pytest.approx(2 * before, rel=0.1)


def test_focus_can_be_seen_and_nothing_moves_for_those_who_mind(site, page, token):
    """An outline where the focus is, and no transition with reduced motion."""
    page.emulate_media(reduced_motion="reduce")
    site.show(everything(token))
    style = "getComputedStyle(document.activeElement.shadowRoot.activeElement)"
    page.keyboard.press("Tab")
    assert page.evaluate(f"[{style}.outlineStyle, {style}.outlineWidth]") == ["solid", "2px"]
    assert page.evaluate(f"{style}.transitionDuration") == "0s"
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(f"{style}.transitionDuration") != "0s"


def test_without_colours_of_its_own(site, page, token):
    """It has the colour of the text around it; where colours are forced, a vote can still be told."""
    site.show(everything(token))
    page.evaluate("document.querySelector('main').style.color = 'rgb(1, 2, 3)'")
    text = page.locator("textarea").first
    assert text.evaluate("(element) => getComputedStyle(element).color") == "rgb(1, 2, 3)"
    page.emulate_media(forced_colors="active")
    page.get_by_role("button", name="Good").first.click()
    fills = page.locator("button svg").evaluate_all("(found) => found.map((each) => getComputedStyle(each).fill)")
    assert fills[0] != "none" and fills[1] == "none"


def test_its_looks_can_be_changed(site, page, token):
    """By custom properties, and by the parts that the page's style sheet names."""
    site.show(everything(token))
    page.evaluate(
        """() => {
          const sheet = new CSSStyleSheet();
          sheet.replaceSync(`:root { --rlhf-accent: rgb(9, 8, 7); --rlhf-radius: 3px; --rlhf-size: 50px; }
            rlhf-feedback::part(down) { opacity: 0.25 }`);
          document.adoptedStyleSheets = [sheet];
        }"""
    )
    up, down = (page.get_by_role("button", name=name).first for name in ("Good", "Bad"))
    up.click()
    style = "(e) => { const s = getComputedStyle(e); return [s.color, s.borderRadius, s.height, s.opacity]; }"
    assert up.evaluate(style) == ["rgb(9, 8, 7)", "3px", "50px", "1"]
    assert down.evaluate(style)[3] == "0.25"
