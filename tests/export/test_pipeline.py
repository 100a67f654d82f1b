"""What an interaction goes through: the application's processors, then redaction, and what becomes of faults."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from opentelemetry import trace

import rlhf_otel as rlhf
from rlhf_otel import hooks

MAIL = "jane.doe@example.com"
DEFERRED, INLINE = False, True


def text(interaction):
    return interaction.input[0]["parts"][0]["content"] if interaction.input else None


@pytest.fixture(params=[DEFERRED, INLINE], ids=["deferred", "inline"])
def inline(request, theirs):
    """Whether spans are on the application's provider, so that everything is done in place; with a store beside it."""
    if request.param is INLINE:
        trace.set_tracer_provider(theirs)
    rlhf.instrument(store=":memory:")
    return request.param


def recorded():
    return [interaction for interaction, _ in rlhf.interactions()]


def test_processors_come_before_redaction_in_their_order(inline):
    """Each sees what the one before made of it, and what they add is redacted."""
    seen = []

    def first(interaction):
        seen.append(text(interaction))
        return replace(interaction, context={"by": f"first <{MAIL}>"})

    def second(interaction):
        seen.append(dict(interaction.context))

    rlhf.add_processor(first)
    remove = rlhf.add_processor(second)
    rlhf.capture(prompt=f"I am {MAIL}", response="hello")
    (interaction,) = recorded()
    assert seen == [f"I am {MAIL}", {"by": f"first <{MAIL}>"}]
    assert MAIL not in repr(interaction)
    assert interaction.context["by"].startswith("first <")
    remove()
    rlhf.capture(prompt="again", response="hello")
    rlhf.flush(5)
    assert len(seen) == 3


def test_drop(inline):
    """What a processor drops is not exported where that can be helped, else it has no content; either way it counts."""
    dropped = []
    rlhf.on("drop", dropped.append)

    def drop(interaction):
        if text(interaction) == "secret":
            raise rlhf.Drop

    rlhf.add_processor(drop)
    kept = rlhf.capture(prompt="open", response="yes")
    gone = rlhf.capture(prompt="secret", response="secret answer")
    assert kept is not None
    interactions = {i.span_id: i for i in recorded()}
    assert "secret" not in repr(interactions)
    assert rlhf.stats()["dropped_by_processor"] == 1
    assert len(dropped) == 1
    if inline:
        assert gone is None
        assert len(interactions) == 2
    else:
        assert set(interactions) == {kept.span_id}


def test_a_processor_that_raises_withholds_the_content(inline, lines, theirs):
    """The span leaves without a word of what was said, the fault counts, and one line names the processor."""

    def broken(interaction):
        raise KeyError("oh")

    rlhf.add_processor(broken)
    rlhf.capture(prompt="canary", response="canary", error="canary")
    rlhf.capture(prompt="canary", response="canary")
    assert "canary" not in repr(recorded())
    assert "canary" not in "".join(span.to_json() for span in theirs.exporter.get_finished_spans())
    assert len(recorded()) == 2
    assert rlhf.stats()["faults"] == 2
    (line,) = lines()
    assert "broken" in line
    assert "content is withheld" in line


def test_a_processor_may_be_asynchronous_where_work_is_put_off(inline, lines):
    """On the export thread it is awaited; in place it cannot be, and the content is withheld, with one line."""

    async def slow(interaction):
        await asyncio.sleep(0)
        return replace(interaction, context={"slow": True})

    rlhf.add_processor(slow)
    rlhf.capture(prompt="hello", response="world")
    (interaction,) = recorded()
    if inline:
        assert interaction.input is None
        assert "asynchronous" in lines()[0]
    else:
        assert (text(interaction), interaction.context["slow"]) == ("hello", True)
        assert lines() == []


def test_a_processor_cannot_end_the_export_thread():
    """Not even with `SystemExit`: what comes later is delivered."""
    rlhf.instrument(store=":memory:")

    def exits(interaction):
        raise SystemExit(3)

    remove = rlhf.add_processor(exits)
    rlhf.capture(prompt="a", response="b")
    assert not rlhf.flush(5)
    remove()
    rlhf.capture(prompt="c", response="d")
    assert rlhf.flush(5)
    assert "c" in map(text, recorded())


def test_redaction_can_be_switched_off(theirs):
    """`redact=False` leaves everything as it was said."""
    rlhf.instrument(redact=False, store=":memory:")
    rlhf.capture(prompt=f"I am {MAIL}", response="hello")
    assert text(recorded()[0]) == f"I am {MAIL}"


def test_a_redactor_that_fails_is_no_leak(monkeypatch):
    """When redaction itself breaks, content is withheld."""
    from rlhf_otel.redact import Redactor

    def broken(self, interaction):
        raise RuntimeError("no")

    monkeypatch.setattr(Redactor, "__call__", broken)
    rlhf.instrument(store=":memory:")
    rlhf.capture(prompt="canary", response="canary")
    assert "canary" not in repr(recorded())


def test_objects_are_redacted_and_are_what_they_were(inline):
    """What an application hands over is read at once: later changes do not show, and no object hides a secret."""
    messages = [{"role": "user", "content": "before"}]
    with rlhf.context(who={MAIL}):
        rlhf.capture(prompt=messages, response="hello", attributes={"app.error": ValueError(MAIL)})
    messages[0]["content"] = "after"
    (interaction,) = recorded()
    assert text(interaction) == "before"
    assert MAIL not in repr(interaction)


@pytest.mark.parametrize("result", ["text", 5, {"a": 1}])
def test_a_processor_that_returns_something_else_withholds_the_content(inline, lines, result):
    """Only an interaction or nothing can be meant; anything else is a fault of the processor."""
    rlhf.add_processor(lambda interaction: result)
    assert rlhf.capture(prompt="canary", response="canary") is not None
    assert "canary" not in repr(recorded())
    assert rlhf.stats()["faults"] == 1


@pytest.mark.parametrize("ending", [rlhf.Drop, KeyError])
def test_withheld_content_takes_the_attributes_along(inline, theirs, ending):
    """After a drop or a fault only figures are left of the attributes, and those are redacted too."""

    def ends(interaction):
        raise ending

    rlhf.add_processor(ends)
    attributes = {
        "app.question": "canary", "gen_ai.request.stop_sequences": ["canary"], "server.address": f"x {MAIL}",
        "gen_ai.request.temperature": 0.5,
    }  # fmt: skip
    rlhf.capture(prompt="canary", response="canary", attributes=attributes)
    left = repr(recorded()) + "".join(span.to_json() for span in theirs.exporter.get_finished_spans())
    assert "canary" not in left
    assert MAIL not in left
    assert (inline is DEFERRED and ending is rlhf.Drop) or "temperature" in left


def test_what_a_processor_or_listener_records_is_not_recorded(inline):
    """It would lead to the same processor or listener again, without end."""
    seen = []

    def calls_a_model(interaction):
        seen.append((hooks.in_plugged_in_code(), rlhf.capture(prompt="what of it?", response="nothing")))

    rlhf.add_processor(calls_a_model)
    rlhf.on("interaction", calls_a_model)
    rlhf.capture(prompt="a", response="b")
    assert len(recorded()) == 1
    assert seen == [(True, None)] * 2
