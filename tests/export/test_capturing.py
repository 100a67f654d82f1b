"""What is recorded of a call by part, provider and session, and what stands beside calls tells no more than they do."""

from __future__ import annotations

import logging

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event

import rlhf_otel as rlhf
from rlhf_otel import app_context, config, hooks, parts
from rlhf_otel.export import discreet
from rlhf_otel.export.capturing import Capturing
from rlhf_otel.export.pipeline import Pipeline
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.redact import Redactor

SAID = [
    {"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}, {"type": "text", "content": "hi"},
                                    {"type": "tool_call", "id": "1", "name": "f", "arguments": {"a": 1}},
                                    {"type": "tool_call_response", "id": "1", "response": "r"},
                                    {"type": "uri", "modality": "image", "uri": "https://x/y"}]},
]  # fmt: skip
CALL = Interaction(
    trace_id="a" * 32, span_id="b" * 16, start_ns=1, end_ns=2, provider="openai", system=[{"content": "s"}], input=SAID,
    output=SAID, tools=[{"name": "f"}], error_type="E", error_message="m", context={"c": 1},
    attributes={"rlhf.steps": "[]", "gen_ai.request.top_p": 1.0},
)  # fmt: skip
VOTE = Feedback(id="1", name="n", kind="binary", time_ns=1, value=True, comment="c", correction="d", quote="q",
                metadata={"m": 1})  # fmt: skip


def capturing(**settings):
    return Capturing(config.load(settings, {}))


def test_nothing_is_changed_where_nobody_said_anything():
    """The very same call and feedback."""
    assert capturing().of_call(CALL) is CALL
    assert capturing().of_feedback(VOTE) is VOTE


@pytest.mark.parametrize(
    ("part", "gone"),
    [
        ("reasoning", {"type": "reasoning"}), ("tool_calls", {"type": "tool_call", "id": "1", "name": "f"}),
        ("tool_results", {"type": "tool_call_response", "id": "1"}), ("media", {"type": "uri", "modality": "image"}),
    ],
)  # fmt: skip
def test_a_part_of_a_message_leaves_that_it_was_there(part, gone):
    """Its words go, in what was asked and in what was answered; the parts beside it are the same."""
    limited = capturing(capture_parts=f"-{part}").of_call(CALL)
    for messages in (limited.input, limited.output):
        different = [
            (was, now) for was, now in zip(SAID[0]["parts"], messages[0]["parts"], strict=True) if was is not now
        ]
        assert [now for _, now in different] == [gone]
    assert (limited.system, limited.tools, limited.error_message) == (CALL.system, CALL.tools, "m")


def test_whole_fields_go():
    """What is not named is not there, and figures stay."""
    limited = capturing(capture_parts="input").of_call(CALL)
    assert (limited.system, limited.output, limited.tools, limited.context) == (None, None, None, {})
    assert (limited.error_type, limited.error_message) == ("E", "[withheld]")
    assert limited.attributes == {"gen_ai.request.top_p": 1.0}
    assert [part["type"] for part in limited.input[0]["parts"]] == [part["type"] for part in SAID[0]["parts"]]


def test_the_vote_stays_where_its_words_go():
    """Comment, correction, quote and metadata are parts; the score is none."""
    bare = capturing(capture_parts="none").of_feedback(VOTE)
    assert (bare.value, bare.comment, bare.correction, bare.quote, bare.metadata) == (True, None, None, None, {})
    assert capturing(capture_parts="comment").of_feedback(VOTE).comment == "c"


@pytest.mark.parametrize(
    ("providers", "provider", "kept"),
    [
        ("all,-openai", "openai", False),
        ("all,-openai", "groq", True),
        ("groq", "openai", False),
        ("groq", "groq", True),
    ],
)
def test_providers_are_switched_one_by_one(providers, provider, kept):
    """By a minus, or by naming the others."""
    limited = capturing(capture_providers=providers).of_call(rlhf_call(provider))
    assert (limited.output is not None) is kept
    assert (limited.error_message == "m") is kept


def rlhf_call(provider):
    import dataclasses

    return dataclasses.replace(CALL, provider=provider)


def test_no_content_takes_errors_along_unless_parts_name_them():
    """Many an error repeats what was asked; whoever wants its words says so."""
    assert capturing(capture="NO_CONTENT").of_call(CALL).error_message == "[withheld]"
    assert capturing(capture="NO_CONTENT", capture_parts="all").of_call(CALL).error_message == "m"


def test_a_session_can_only_take_away():
    """What the settings leave out does not come back by what a session asks for."""
    with rlhf.context(capture="input,reasoning"):
        held = app_context.collected().capture
    limited = capturing(capture_parts="-reasoning").of_call(CALL, held)
    assert limited.input[0]["parts"][0] == {"type": "reasoning"}
    assert limited.output is None


def test_a_session_s_switch_travels_and_holds_without_context(monkeypatch):
    """The next service of yours hears of it, and it holds where contexts are not collected."""
    with rlhf.context(capture=False):
        header = rlhf.baggage()["baggage"]
    with rlhf.context(baggage=header):
        assert app_context.collected().capture == {"context", "metadata"}
        monkeypatch.setattr(hooks, "settings", config.load({"collect_context": False}, {}))
        assert app_context.collected().capture == {"context", "metadata"}
    with rlhf.context(baggage="rlhf.capture=inward"):
        assert app_context.collected().capture == frozenset()


def test_an_unknown_part_is_refused():
    """With the names that there are."""
    with pytest.raises(ValueError, match="no part 'thoughts'; there are comment, context, "):
        rlhf.context(capture="thoughts").__enter__()
    assert parts.chosen(["all", "-input"]) == parts.PARTS - {"input"}


def test_exceptions_on_spans_lose_secrets_and_places():
    """Stack traces are for finding faults, not people: files stay, folders and users go."""
    stack = 'File "/home/ann/app/main.py", line 3, in f\nValueError: no a@b.org in C:\\Users\\ann\\x.txt or ~/notes'
    given = Event("exception", {"exception.stacktrace": stack, "exception.type": "ValueError", "password": "x9"}, 7)
    (event,) = discreet.events([given], Pipeline(Redactor))
    assert event.attributes == {
        "exception.stacktrace": 'File "[REDACTED:path]/main.py", line 3, in f\nValueError: no [REDACTED:email] in'
        " [REDACTED:path]/x.txt or [REDACTED:path]",
        "exception.type": "ValueError", "password": "[REDACTED:password]",
    }  # fmt: skip
    assert (event.name, event.timestamp) == ("exception", 7)
    assert discreet.events([given], Pipeline()) == [given]


@pytest.mark.parametrize(
    ("said", "hidden"),
    [
        ("no such file: /home/ann/data/x.csv", "no such file: [REDACTED:path]/x.csv"),
        ("cannot open /Users/ann", "cannot open [REDACTED:path]"),
        ("POST /v1/chat/completions failed", "POST /v1/chat/completions failed"),
        ("see https://example.com/usr/x.html", "see https://example.com/usr/x.html"),
        ("file:///srv/app/y.py:3", "[REDACTED:path]/y.py:3"),
    ],
)
def test_messages_of_errors_lose_places(said, hidden):
    """Paths of the machine go, those of a URL stay."""
    import dataclasses

    assert Redactor()(dataclasses.replace(CALL, error_message=said)).error_message == hidden


def test_the_name_of_the_machine_goes_from_errors(monkeypatch):
    """Alone and with its domain, and not within another word."""
    from rlhf_otel.redact import places

    monkeypatch.setattr("socket.gethostname", lambda: "anns-laptop.local")
    places._own_host.cache_clear()
    clean = places.hidden("anns-laptop refused, anns-laptop.local too, not anns-laptops", Redactor().mark)
    places._own_host.cache_clear()
    assert clean == "[REDACTED:host] refused, [REDACTED:host] too, not anns-laptops"


def test_the_resource_tells_nothing_of_the_machine_unless_told_to(monkeypatch):
    """Whatever detector found it; what the operator has named stays."""
    found = {"service.name": "s", "host.name": "h", "process.command_args": ("p",), "process.pid": 1}
    assert dict(discreet.resource(Resource(found)).attributes) == {"service.name": "s", "process.pid": 1}
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "host.name=h")
    assert "host.name" in discreet.resource(Resource(found)).attributes


def test_our_own_log_tells_no_secret(caplog):
    """Neither in a line nor in the stack of a fault."""
    log = discreet.DiscreetLog(Pipeline(Redactor))
    hooks.logger.addFilter(log)
    try:
        with caplog.at_level(logging.DEBUG, "rlhf_otel"):
            hooks.logger.warning("told %s", "a@b.org")
            try:
                raise ValueError("c@d.org")
            except ValueError:
                hooks.logger.debug("fault", exc_info=True)
    finally:
        hooks.logger.removeFilter(log)
    assert "told [REDACTED:email]" in caplog.text
    assert "ValueError: [REDACTED:email]" in caplog.text
