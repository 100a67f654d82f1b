"""What a person can say with `<rlhf-feedback>`, and what is kept of it."""

from __future__ import annotations

import rlhf_otel as rlhf
from rlhf_otel import semconv
from rlhf_otel.testing import FakeCollector

from .conftest import soon


def widget(token, **attributes):
    said = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<rlhf-feedback token="{token}"{said}></rlhf-feedback>'


def test_everything_from_a_page_of_another_origin(site, given):
    """A thumb, stars with a comment, a thumb on a step, a copy and an edit: in the store and at an OTLP backend."""
    rlhf.shutdown(1)
    with FakeCollector() as backend:
        rlhf.instrument(endpoint=backend.http_url, store=":memory:")
        call = rlhf.capture(prompt="2x = 8", response="x = 4", model="m", steps=["2x = 8", "x = 4"])
        token = call.token(rater="u1")
        page = site.show(
            f"""<article data-rlhf-token="{token}"><p data-rlhf-watch="copy">x = 4</p>
            <textarea aria-label="Your version" data-rlhf-watch="edit">x = 4</textarea></article>"""
            + widget(token, steps="Halve it | Say it")
            + widget(token, stars="", comment="", name="helpfulness")
        )
        thumbs, stars = page.locator("rlhf-feedback").all()
        thumbs.get_by_role("button", name="Good").first.click()
        thumbs.get_by_role("group", name="Say it").get_by_role("button", name="Bad").click()
        stars.get_by_role("radio", name="4 of 5 stars").click()
        stars.get_by_role("textbox").fill("good, but short")
        stars.get_by_role("button", name="Send").click()
        page.locator("p").select_text()
        page.keyboard.press("Control+C")
        page.get_by_label("Your version").fill("x = 4, as 2x = 8")
        page.locator("body").click()
        found = soon(lambda: given(call), lambda found: len(found) == 5 and any(f.comment for f in found))
        kept = {(f.name, f.step): f for f in found}
        assert set(kept) == {
            ("user_feedback", None),
            ("user_feedback", 1),
            ("helpfulness", None),
            ("copy", None),
            ("edit", None),
        }
        assert kept["user_feedback", None].value is True
        assert kept["user_feedback", 1].value is False
        rating = kept["helpfulness", None]
        assert (rating.value, rating.scale, rating.comment) == (4, (1, 5), "good, but short")
        assert (kept["copy", None].signal, kept["edit", None].correction) == ("copy", "x = 4, as 2x = 8")
        assert {f.span_id for f in kept.values()} == {call.span_id}
        backend.wait_for(logs=5)
        arrived = {log.attributes[semconv.FEEDBACK_ID]: log for log in backend.logs if log.event_name}
        for f in kept.values():
            log = arrived[f.id]
            assert (log.trace_id, log.span_id, log.event_name) == (
                call.trace_id,
                call.span_id,
                "gen_ai.evaluation.result",
            )
            assert log.attributes["gen_ai.evaluation.name"] == f.name


def test_a_changed_mind(site, call, token, given):
    """Another thumb takes the place of the first, the same thumb again takes it back, and history keeps all of it."""
    page = site.show(widget(token))
    up, down = page.get_by_role("button", name="Good"), page.get_by_role("button", name="Bad")
    told = page.get_by_role("status")
    up.click()
    site.wait("sent", 1)
    assert (up.get_attribute("aria-pressed"), told.inner_text()) == ("true", "Thank you")
    down.click()
    site.wait("sent", 2)
    assert [f.value for f in given(call)] == [False]
    down.click()
    site.wait("sent", 3)
    assert (down.get_attribute("aria-pressed"), told.inner_text()) == ("false", "Taken back")
    assert given(call) == []
    up.click()
    site.wait("sent", 4)
    assert [(f.name, f.value, f.comment) for f in given(call)] == [("user_feedback", True, None)]
    assert [f.kind for f in given(call, history=True)] == ["binary", "binary", "retraction", "binary"]


def test_a_reload_shows_what_was_said(site, call, given):
    """Also with a new token for the same answer; what was said before can then be taken back."""
    page = site.show(widget(call.token(rater="u1"), stars="3", comment=""))
    page.get_by_role("radio", name="2 of 3 stars").click()
    site.wait("sent")
    page = site.show(widget(call.token(rater="u1", ttl="7d"), stars="3", comment=""))
    star = page.get_by_role("radio", name="2 of 3 stars")
    assert star.is_checked()
    star.click()
    site.wait("sent")
    assert not star.is_checked()
    assert given(call) == []


def test_whoever_tries_the_stars_means_the_last(site, call, token, later):
    """The arrow keys go through the stars, and one rating is sent."""
    page = site.show(widget(token, stars=""))
    page.keyboard.press("Tab")
    for key in ("Space", "ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    site.wait("sent")
    assert [(f.value, f.scale) for f in later(call, 1)] == [(2, (1, 5))]


def test_with_the_keyboard_alone(site, call, token, given):
    """Everything can be reached in the order of reading, and pressed; Escape leaves the comment."""
    page = site.show("<button>before</button>" + widget(token, comment="") + "<button>after</button>")
    focused = "(document.activeElement.shadowRoot?.activeElement ?? document.activeElement)"
    seen = []
    for _ in range(4):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(f"{focused}.getAttribute('aria-label')"))
    assert seen == [None, "Good", "Bad", "Comment"]
    page.keyboard.press("Enter")
    page.keyboard.type("no vote yet")
    page.keyboard.press("Escape")
    assert page.evaluate(f"[{focused}.title, {focused}.getAttribute('aria-expanded')]") == ["Comment", "false"]
    page.keyboard.press("Space")
    page.keyboard.type(", still")
    page.keyboard.press("Control+Enter")
    site.wait("sent")
    assert [(f.kind, f.comment) for f in given(call)] == [("comment", "no vote yet, still")]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    site.wait("sent", 2)
    assert [(f.kind, f.value, f.comment) for f in given(call)] == [("binary", False, "no vote yet, still")]


def test_what_is_rated(site, call, token, given):
    """A name, a step and aspects, with labels of the page's own; steps by their number."""
    page = site.show(
        widget(token, name="accuracy", step="3", aspects="tone: Ton, length", stars="3", text_star="{n} von {of}")
        + f'<div data-rlhf-token="{token}">'
        + '<rlhf-feedback steps="2" text-step="Schritt {n}" text-up="Gut"></rlhf-feedback></div>'
    )
    page.get_by_role("group", name="Rate this answer").first.get_by_role("radio", name="1 von 3").click()
    page.get_by_role("group", name="Ton").get_by_role("radio", name="2 von 3").click()
    page.get_by_role("group", name="length").get_by_role("radio", name="3 von 3").click()
    page.get_by_role("group", name="Schritt 2").get_by_role("button", name="Gut").click()
    site.wait("sent", 4)
    assert [(f.name, f.value, f.step) for f in given(call)] == [
        ("accuracy", 1, 3), ("tone", 2, 3), ("length", 3, 3), ("user_feedback", True, 1),
    ]  # fmt: skip


def test_options_for_the_whole_page(site, call, token, given):
    """What stands on the script's tag holds for all elements, and an element's own word for itself."""
    page = site.show(widget(token) + widget(token, stars="false", name="b"), stars="4", comment="", text_send="Los")
    assert page.get_by_role("radio").count() == 4
    page.get_by_role("button", name="Comment").first.click()
    page.get_by_role("textbox").fill("hm")
    page.get_by_role("button", name="Los").click()
    site.wait("sent")
    assert [f.comment for f in given(call)] == ["hm"]


def test_a_token_that_comes_later(site, token):
    """There is nothing to press until there is something to rate, as while an answer is streamed."""
    page = site.show("<rlhf-feedback></rlhf-feedback>")
    assert page.get_by_role("button").count() == 0
    page.locator("rlhf-feedback").evaluate("(element, token) => element.setAttribute('token', token)", token)
    page.get_by_role("button", name="Good").click()
    site.wait("sent")


def test_raters_of_a_token_for_anybody(site, call, later):
    """A page that knows its people names them: their votes stay apart."""
    for rater in ("ann", "ben"):
        page = site.show(widget(call.token(), rater=rater))
        page.get_by_role("button", name="Good" if rater == "ann" else "Bad").click()
        site.wait("sent")
        page.evaluate("sessionStorage.clear()")
    assert [(f.rater, f.value) for f in later(call, 2)] == [("any:ann", True), ("any:ben", False)]


def test_the_page_hears_of_it(site, token):
    """An event for each thing said and what became of it, never with the token; the page may take it instead."""
    page = site.show(widget(token))
    page.get_by_role("button", name="Good").click()
    site.wait("sent")
    told = page.evaluate("told")
    assert [(t["status"], t["value"], t.get("token")) for t in told] == [("given", True, None), ("sent", True, None)]
    page.evaluate("addEventListener('rlhf-feedback', (event) => event.preventDefault())")
    page.get_by_role("button", name="Bad").click()
    page.evaluate("customElements.get('rlhf-feedback').say('rlt_a token of another page', { value: 0.5, name: 'x' })")
    page.wait_for_timeout(400)
    assert [t["status"] for t in page.evaluate("told")[2:]] == ["given", "given"]


def test_the_page_says_something_itself(site, call, token, given):
    """By `say`, for what no element is there for."""
    page = site.show("<p>none</p>")
    page.evaluate(
        "(token) => customElements.get('rlhf-feedback').say(token, { signal: 'accept', metadata: { via: 'menu' } })",
        token,
    )
    site.wait("sent")
    assert [(f.signal, f.metadata["via"]) for f in given(call)] == [("accept", "menu")]


def test_what_cannot_be_saved(site, call, token):
    """A token that has expired, or is for something else, is said to the person; nothing is tried again."""
    from rlhf_otel.token import mint

    page = site.show(widget(mint(call, ttl=5, now=1e9)))
    page.get_by_role("button", name="Good").click()
    site.wait("refused")
    assert page.get_by_role("status").inner_text() == "This could not be saved"
    assert page.evaluate("Object.keys(localStorage)") == []


HOSTILE = "\"'><img src=x onerror=hacked=1><script>hacked=1</script>\u202e\0"


def test_hostile_text_is_text(site, call, token, given):
    """In attributes, labels, tokens and comments: shown as it is, and kept as it is."""
    page = site.show("<main></main>")
    page.evaluate(
        """([token, text]) => {
          const element = document.createElement("rlhf-feedback");
          for (const name of ["name", "text-label", "text-up", "text-comment", "text-sent", "text-placeholder", "step"])
            element.setAttribute(name, text);
          element.setAttribute("aspects", text);
          element.setAttribute("steps", text);
          element.setAttribute("comment", "");
          element.setAttribute("token", token);
          const other = element.cloneNode();
          other.setAttribute("token", text);
          document.querySelector("main").append(element, other);
        }""",
        [token, HOSTILE],
    )
    page.get_by_role("button", name="Bad").last.click()
    site.wait("refused")
    fine = site.show(widget(token, comment=""), path="/2")
    fine.get_by_role("button", name="Comment").click()
    fine.get_by_role("textbox").fill(HOSTILE.replace("\0", ""))
    fine.get_by_role("button", name="Send").click()
    site.wait("sent")
    assert [f.comment for f in given(call)] == [HOSTILE.replace("\0", "")]
    assert page.evaluate("globalThis.hacked") is None


SENSELESS = [
    {"steps": "9999999"}, {"stars": "1e9"}, {"stars": "-3"}, {"step": "x"}, {"aspects": ":::,|,"}, {"name": ""},
    {"endpoint": "http://:"}, {"context": "{} platform nonsense"},
]  # fmt: skip


def test_it_never_throws_into_the_page(site, token):
    """Whatever an attribute says, and where the browser denies its storage; there is an end to what it draws."""
    site.page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('denied'); } })")
    page = site.show("".join(widget(token, **attributes) for attributes in SENSELESS))
    page.get_by_role("button", name="Good").first.click()
    site.wait("sent")
    for element in page.locator("rlhf-feedback").all():
        controls = element.locator("button, input")
        assert controls.count() <= 200
        controls.last.click(force=True)
    assert page.evaluate("1 + 1") == 2
