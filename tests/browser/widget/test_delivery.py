"""What was said arrives, once, whatever becomes of the page, the network and the server."""

from __future__ import annotations

import json

GONE = "about:blank"


def widget(token, name="user_feedback"):
    return f'<rlhf-feedback token="{token}" name="{name}"></rlhf-feedback>'


def values(found):
    return [(f.name, f.value) for f in found]


def test_offline_and_online_again(site, call, token, later):
    """What was said without a network is kept on the disk and told so; it is sent when the network is back."""
    page = site.show(widget(token) + widget(token, "tone"))
    page.context.set_offline(True)
    page.get_by_role("button", name="Good").first.click()
    page.get_by_role("button", name="Bad").last.click()
    page.get_by_role("button", name="Good").last.click()
    site.wait("queued", 2)
    assert page.get_by_role("status").first.inner_text() == "Kept until it can be sent"
    assert len(page.evaluate("Object.keys(localStorage)")) == 2
    page.context.set_offline(False)
    site.wait("sent", 2)
    assert page.evaluate("Object.keys(localStorage)") == []
    assert values(later(call, 2)) == [("user_feedback", True), ("tone", True)]


def test_it_comes_again_when_it_was_told_to(site, endpoint, call, token, later):
    """A server that takes nothing now is asked again, no sooner than it says."""
    endpoint.failing += [(503, b"1"), (429, b"1")]
    page = site.show(widget(token))
    times = "performance.getEntriesByType('resource').filter(({ name }) => name.includes('v1')).map((e) => e.startTime)"
    page.get_by_role("button", name="Good").click()
    site.wait("sent")
    assert values(later(call, 1)) == [("user_feedback", True)]
    first, second, third = page.evaluate(times)
    assert second - first >= 1000 and third - second >= 1000


def test_another_visit_sends_what_the_last_could_not(site, page, call, token, later):
    """A page that was closed while the server was away has left it on the disk for the next."""
    page.route("**/v1/feedback", lambda route: route.abort())
    site.show(widget(token))
    page.get_by_role("button", name="Good").click()
    site.wait("queued")
    page.goto(GONE)
    page.unroute("**/v1/feedback")
    site.show("<p>another day</p>")
    site.wait("sent")
    assert values(later(call, 1)) == [("user_feedback", True)]


def test_a_click_and_gone(site, endpoint, call, token, later):
    """Whoever leaves at once has said it all the same: by a beacon, for which no browser asks anybody first."""
    page = site.show(widget(token))
    page.get_by_role("button", name="Good").click()
    page.goto(GONE)
    assert values(later(call, 1)) == [("user_feedback", True)]
    ((method, headers),) = endpoint.requests
    assert (method, headers["content-type"]) == ("POST", "text/plain;charset=UTF-8")
    site.show("<p>next</p>")
    site.wait("sent")
    assert values(later(call, 1)) == [("user_feedback", True)]
    assert len(endpoint.requests) == 2


def test_nothing_is_asked_first(site, endpoint, token):
    """One request says it: no preflight, no cookie, no address of the page but its origin."""
    page = site.show(widget(token))
    page.evaluate("history.replaceState(null, '', '/secret?of=mine')")
    page.get_by_role("button", name="Good").click()
    site.wait("sent")
    ((method, headers),) = endpoint.requests
    assert method == "POST"
    assert "cookie" not in headers
    assert headers["referer"] == site.origin + "/"


def test_what_is_refused_is_not_tried_again(site, endpoint, token):
    """Nor is what comes after it held up; and nothing looks given any more."""
    endpoint.failing.append((413, b""))
    page = site.show(widget(token))
    good, bad = (page.get_by_role("button", name=name) for name in ("Good", "Bad"))
    good.click()
    site.wait("refused")
    assert [each.get_attribute("aria-pressed") for each in (good, bad)] == ["false", "false"]
    bad.click()
    site.wait("sent")
    assert len(endpoint.requests) == 2
    endpoint.failing.append((413, b""))
    good.click()
    site.wait("refused", 2)
    assert [each.get_attribute("aria-pressed") for each in (good, bad)] == ["false", "false"]


def test_a_page_without_storage(site, page, call, token, later):
    """Where the browser lets nothing be kept, as in a frame of its own or in private, votes are what they are."""
    block = "{ get() { throw new Error('blocked'); } }"
    page.add_init_script(
        f"for (const one of ['localStorage', 'sessionStorage']) Object.defineProperty(window, one, {block})"
    )
    site.show(widget(token))
    page.get_by_role("button", name="Good").click()
    site.wait("sent")
    assert values(later(call, 1)) == [("user_feedback", True)]
    assert page.get_by_role("button", name="Good").get_attribute("aria-pressed") == "true"


def test_said_anew_while_it_is_sent(site, page, call, token, later):
    """What is said while the last is on its way is sent after it."""
    held = []
    page.route("**/v1/feedback", lambda route: held.append(route) if not held else route.continue_())
    site.show(widget(token))
    page.get_by_role("button", name="Good").click()
    while not held:
        page.wait_for_timeout(20)
    page.get_by_role("button", name="Bad").click()
    page.wait_for_timeout(300)
    held[0].continue_()
    site.wait("sent", 2)
    assert values(later(call, 2)) == [("user_feedback", True), ("user_feedback", False)]


def test_much_at_once(site, endpoint, call, token, later):
    """What does not fit into one request goes in several; a text that fits into none goes without it."""
    page = site.show("<p>a page</p>")
    say = "([token, said]) => customElements.get('rlhf-feedback').say(token, said)"
    for number in range(12):
        page.evaluate(say, [token, {"name": f"n{number}", "value": 0.5, "comment": "é" * 1300}])
    page.evaluate(say, [token, {"signal": "edit", "correction": "long " * 5000}])
    site.wait("sent", 13)
    found = later(call, 13)
    assert {len(f.comment) for f in found if f.kind == "score"} == {1300}
    assert [(f.signal, f.correction) for f in found if f.kind == "signal"] == [("edit", None)]
    assert len(endpoint.requests) > 1
    assert all(int(headers["content-length"]) <= 16_384 for _, headers in endpoint.requests)


def test_nothing_but_what_was_meant_is_kept(site, page, token):
    """What a page before has left of another kind, or broken, hinders nothing."""
    site.show("<p>first</p>")
    page.evaluate("localStorage.setItem('rlhf-otel:x', '{'); localStorage.setItem('other', '1')")
    page.evaluate("localStorage.setItem('rlhf-otel:y', 'null')")
    site.show(widget(token))
    page.get_by_role("button", name="Good").click()
    site.wait("sent")
    assert json.loads(page.evaluate("JSON.stringify(Object.keys(localStorage))")) == ["other"]
