"""One span per call beside every other instrumentation that is installed here, in whatever order both were switched on.

An application runs in a process of its own for each peer and order. What it sees with the peer alone is what it has to
see with both of us. The environments with one peer each are made by `make test-beside`.
"""

from __future__ import annotations

import collections
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.beside.calls import CALLS
from tests.beside.peers import PEERS

ORDERS = ("peer-first", "ours-first")
INSTALLED = [name for name, peer in PEERS.items() if peer.version]
SDK_ITSELF = "com.anthropic.sdk.python"
VOCABULARY = ("gen_ai.operation.name", "openinference.span.kind", "llm.request.type", "langfuse.observation.type")
USAGE = ("gen_ai.usage.", "llm.token_count.", "llm.usage.", "langfuse.observation.usage_details")
KEPT_OURS = {"openllmetry": "openai-responses"}
"""Whose spans of which calls are started when the call is over: ours, which there is by then, is kept."""
FORGOTTEN = {"openllmetry": ("anthropic-messages.create-stream_with", "anthropic-messages.create-closed")}
"""Calls whose span the peer alone never ends, although it has started one; with us it is ended when it is dropped."""
MISCOUNTED = {"openllmetry": ("anthropic-",)}
"""Calls whose tokens the peer alone gets wrong, which stands on its span as it does without us."""
NO_ANSWER = ("openai-embeddings", "anthropic-messages.create-closed")
"""Calls that report other tokens than those of a whole answer."""
BROKEN_ALONE = {"openai_v2": ("openai-chat.completions.with_raw_response", "openai-chat.completions.with_streaming")}
"""Calls that the peer alone breaks for the application, or loses."""

pytestmark = pytest.mark.skipif(not INSTALLED, reason="no other instrumentation is installed here")
each = pytest.mark.parametrize("order", ORDERS)
beside = pytest.mark.parametrize("peer", INSTALLED)


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """What came of all calls, by peer, order and what was active: `runs[peer, order]["both"]`. All run at once."""
    root, folder = Path(__file__).parents[2], tmp_path_factory.mktemp("beside")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "RLHF_OTEL_", "OPENAI_", "ANTHROPIC_"))}
    environment = {**kept, "PYTHONPATH": str(root), "PYTHONWARNINGS": "ignore"}
    started = {}
    for peer in INSTALLED:
        for order in ORDERS:
            place = folder / f"{peer}-{order}"
            place.mkdir()
            command = [sys.executable, "-m", "tests.beside.application", peer, order, str(place / "calls.jsonl")]
            with (place / "log").open("w") as log:
                started[place] = subprocess.Popen(command, cwd=place, env=environment, stdout=log, stderr=log)
    made = {}
    for place, process in started.items():
        assert process.wait(170) == 0, (place / "log").read_text()[-3000:]
        peer, _, order = place.name.partition("-")
        made[peer, order] = collections.defaultdict(dict)
        for line in (place / "calls.jsonl").read_text().splitlines():
            call = json.loads(line)
            if not call["call"].startswith(BROKEN_ALONE.get(peer, "-")):
                made[peer, order][call["active"]][f"{call['call']} {call['kind']}"] = call
    return made


def about_a_model(call):
    """The spans of a call that any reader would take for a call to a model."""
    return [span for span in call["spans"] if any(key in span["attributes"] for key in VOCABULARY)]


def counting(call):
    """The spans of a call that report tokens."""
    return [span for span in call["spans"] if any(key.startswith(USAGE) for key in span["attributes"])]


def scopes_and_names(spans):
    """What a span is known by, in any order."""
    return sorted((span["scope"], span["name"]) for span in spans)


def kept(peer, name, alone):
    """The spans that there are to be: the peer's, where it has any, else the one of ours."""
    source = name.replace("stream_with", "stream").replace("closed", "stream")
    source = source if name.startswith(FORGOTTEN.get(peer, "-")) else name
    theirs = [span for span in about_a_model(alone[source]) if span["scope"] != SDK_ITSELF]
    if theirs and not name.startswith(KEPT_OURS.get(peer, "-")):
        return scopes_and_names(theirs)
    made = next(call for call in CALLS if call.id == name.split()[0])
    return [("rlhf_otel", f"{made.operation} {made.ask['model']}")]


@each
@beside
def test_no_call_has_a_span_more(peer, order, runs):
    """With both there are the spans that the peer makes alone, or the one of ours where it makes none."""
    alone, both = runs[peer, "peer-first"]["theirs"], runs[peer, order]["both"]
    assert len(both) > 40 or len(PEERS[peer].sdks) == 1
    assert {name: scopes_and_names(about_a_model(call)) for name, call in both.items()} == {
        name: kept(peer, name, alone) for name in both
    }


@each
@beside
def test_feedback_points_at_the_span(peer, order, runs):
    """The handle of each call is that of its span, which carries what we know, and feedback is in its context."""
    for name, call in runs[peer, order]["both"].items():
        spans = {span["id"]: span for span in about_a_model(call)}
        assert call["last"] in spans, name
        assert call["rated"] == [call["last"]], name
        may_hide = any(word in name for word in ("error", "with_streaming", "helper"))
        assert call["found"] == call["last"] or (may_hide and call["found"] is None), name
        assert spans[call["last"]]["attributes"]["enduser.pseudo.id"], name
        assert spans[call["last"]]["attributes"]["gen_ai.input.messages"], name


@each
@beside
def test_tokens_are_counted_once(peer, order, runs):
    """At most one span of a call reports tokens, and what it reports is what the provider said."""
    for name, call in runs[peer, order]["both"].items():
        spans = counting(call)
        assert len(spans) <= 1, name
        told = spans[0]["attributes"] if spans else {}
        if not name.startswith((*NO_ANSWER, *MISCOUNTED.get(peer, ()))):
            assert told.get("gen_ai.usage.input_tokens", 50) == 50, name
            assert told.get("gen_ai.usage.output_tokens", 20) == 20, name
            assert told.get("llm.token_count.total", 70) == 70, name
        if not spans:
            assert "error" in name or "closed" in name, name


@each
@beside
def test_the_application_is_unharmed(peer, order, runs):
    """What the application gets, types and exceptions included, is what it gets with the peer alone."""
    alone, both = runs[peer, "peer-first"]["theirs"], runs[peer, order]["both"]
    assert {name: call["seen"] for name, call in both.items()} == {name: alone[name]["seen"] for name in both}
    assert {call["requests"] for call in both.values()} == {1}


@each
@beside
def test_their_spans_say_what_they_said(peer, order, runs):
    """A span of theirs keeps its attributes, kind, status and place in the trace."""
    alone, both = runs[peer, "peer-first"]["theirs"], runs[peer, order]["both"]
    for name, call in both.items():
        before = {(span["scope"], span["name"]): span for span in alone[name]["spans"]}
        app = next(span for span in call["spans"] if span["scope"] == "app")
        for span in call["spans"]:
            assert span["trace"] == app["trace"], name
            theirs = before.get((span["scope"], span["name"]))
            if theirs is not None:
                assert theirs["attributes"].keys() - span["attributes"].keys() == set(), name
                assert span["kind"] == theirs["kind"], name
                assert span["status"] == theirs["status"], name
