"""Cutting what is too long, so that it stays what it was: JSON, or a text."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

import rlhf_otel as rlhf
from rlhf_otel.export import limits
from rlhf_otel.testing import FakeCollector

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=20), inner, max_size=6),
    max_leaves=20,
)


@settings(deadline=None, max_examples=60)
@given(st.lists(json_values, max_size=8) | st.dictionaries(st.text(max_size=20), json_values), st.integers(2, 400))
def test_cut_json_is_json_within_the_limit(value, limit):
    """Whatever the structure and the limit, the result parses, is of the same kind, and fits."""
    encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    cut = limits.shorten(encoded, limit)
    assert len(cut) <= limit
    assert type(json.loads(cut)) is type(value)
    assert cut == encoded or len(encoded) > limit


@settings(deadline=None, max_examples=60)
@given(st.text(alphabet="abc é…", max_size=300), st.integers(0, 200))
def test_a_cut_text_fits(text, limit):
    """A plain text is cut to the limit at most."""
    assert len(limits.shorten(text, limit)) <= max(limit, 0)


def test_what_was_cut_is_said():
    """Long texts say how much of them is gone; entries that had to go are counted."""
    long = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "x" * 1000}]}])
    assert "of 1000 characters cut]" in limits.fit(long, 400)
    many = json.dumps([{"role": "user", "parts": [{"type": "text", "content": str(n)}]} for n in range(100)])
    cut = json.loads(limits.fit(many, 500))
    assert cut[0]["parts"][0]["content"].endswith("entries cut]")
    assert cut[-1]["parts"][0]["content"] == "99"
    assert limits.shorten("y" * 1000, 100).endswith("[1000 characters, cut]")


def test_our_own_limit_is_for_content_alone():
    """`max_attribute_bytes` cuts prompts and answers, on our own provider as well, and nothing else."""
    with FakeCollector() as collector:
        rlhf.instrument(endpoint=collector.http_url, max_attribute_bytes=300)
        rlhf.capture(prompt="x" * 5000, response="short", attributes={"note": "n" * 500})
        assert rlhf.flush(10)
        (span,) = collector.spans
    assert len(span.attributes["gen_ai.input.messages"]) <= 300
    assert "of 5000 characters cut]" in span.attributes["gen_ai.input.messages"]
    assert span.attributes["note"] == "n" * 500


def test_opentelemetrys_limit_holds_on_our_own_provider(monkeypatch):
    """`OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT` cuts every text of a span that we export, JSON as JSON."""
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "150")
    with FakeCollector() as collector:
        rlhf.instrument(endpoint=collector.http_url)
        with rlhf.context(order={"lines": ["y" * 400]}):
            rlhf.capture(prompt="x" * 5000, response="short", attributes={"note": "n" * 500})
        assert rlhf.flush(10)
        (span,) = collector.spans
    assert max(len(value) for value in span.attributes.values() if isinstance(value, str)) <= 150
    assert "cut]" in json.loads(span.attributes["rlhf.context.order"])["lines"][0]
    assert json.loads(span.attributes["gen_ai.input.messages"])


def test_the_variable_for_spans_stands_in_place_of_the_general_one(monkeypatch):
    """As OpenTelemetry has it, also where the general one is tighter."""
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "150")
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "500")
    assert (limits.effective_limit(), limits.effective_limit(200)) == (500, 200)
