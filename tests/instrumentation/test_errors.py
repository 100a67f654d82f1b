"""What goes wrong is recorded, what goes wrong in us is not noticed by the application."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import nullcontext

import anthropic
import openai
import pytest
from opentelemetry.trace import StatusCode

from rlhf_otel import app_context, codec, handles, hooks, instrumentation
from rlhf_otel.export.telemetry import ProviderTelemetry
from rlhf_otel.instrumentation import adoption, bodies, call, stainless, streams
from rlhf_otel.instrumentation.providers import anthropic as anthropic_readers
from rlhf_otel.instrumentation.providers import openai as openai_readers
from rlhf_otel.instrumentation.stamps import Stamps
from rlhf_otel.testing import Reply, capture

from . import shapes
from .conftest import CLASSES
from .shapes import each, neutral, settle, shown

ASK = {
    openai: {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
    anthropic: {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]},
}
sdks = pytest.mark.parametrize("sdk", [openai, anthropic], ids=lambda sdk: sdk.__name__)
kinds = pytest.mark.parametrize("kind", ["sync", "async"])


def create(client):
    """The method that most tests call."""
    return client.messages.create if hasattr(client, "messages") else client.chat.completions.create


def made(sdk, kind, url, **options):
    """A client of its own; both libraries take any path before the endpoint's."""
    return CLASSES[sdk][kind == "async"](base_url=f"{url}/v1", api_key="k", **options)


async def outcome(client, ask, *, stream=False):
    """All that the application sees of a call: values and types, or the exception."""
    try:
        result = await settle(create(client)(**ask, **({"stream": True} if stream else {})))
        return [shown(item) async for item in each(result)] if stream else shown(result)
    except Exception as error:
        return shown(error)


def only_span(kept):
    (span,) = kept.spans
    return span


# --- What the provider says ---------------------------------------------------------------------------------------


@kinds
@sdks
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "error_type"),
    [(400, "BadRequestError"), (401, "AuthenticationError"), (429, "RateLimitError"), (500, "InternalServerError")],
)
def test_refused(status, error_type, stream, sdk, kind, clients, llm, run, captured):
    """A call that the provider refuses is an error with its type, its status code and the words of the exception."""
    llm.script(Reply(status=status, error="not today"))
    kind_of_error, words = run(kind, outcome(clients[sdk.__name__, kind], ASK[sdk], stream=stream))
    span = only_span(captured)
    assert (kind_of_error.__name__, span.attributes["error.type"]) == (error_type, error_type)
    assert (span.status.status_code, neutral(span.status.description)) == (StatusCode.ERROR, words)
    assert span.attributes["http.response.status_code"] == status
    assert span.attributes[f"http.response.header.{'x-' * (sdk is openai)}request-id"]
    assert '"Hi"' in span.attributes["gen_ai.input.messages"]
    assert ("gen_ai.request.stream" in span.attributes) == stream


@kinds
@sdks
def test_refused_as_raw_response(sdk, kind, clients, llm, run, captured):
    """A raw call that is refused raises as ever and is one span."""
    client = clients[sdk.__name__, kind]
    owner = client if sdk is anthropic else client.chat
    method = getattr(owner, "messages" if sdk is anthropic else "completions").with_raw_response.create
    llm.script(Reply(status=400, error="not today"))
    with pytest.raises(sdk.BadRequestError, match="not today"):
        run(kind, settle(method(**ASK[sdk])))
    assert only_span(captured).attributes["error.type"] == "BadRequestError"


@kinds
@sdks
def test_nobody_listens(sdk, kind, run, captured):
    """A connection that is refused is an error without a status code, after as many retries as the client made."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        client = made(sdk, kind, f"http://127.0.0.1:{reserved.getsockname()[1]}", max_retries=1)
        kind_of_error, words = run(kind, outcome(client, ASK[sdk]))
        run(kind, settle(client.close()))
    span = only_span(captured)
    assert (kind_of_error, span.attributes["error.type"]) == (sdk.APIConnectionError, "APIConnectionError")
    assert span.status.description == words
    assert span.attributes["http.request.resend_count"] == 1
    assert "http.response.status_code" not in span.attributes


@kinds
@sdks
def test_too_slow(sdk, kind, llm, run, captured):
    """A call that times out is an error of the client's own type."""
    llm.script(Reply(headers_delay=60))
    client = made(sdk, kind, llm.url, max_retries=0, timeout=0.2)
    kind_of_error, _ = run(kind, outcome(client, ASK[sdk]))
    run(kind, settle(client.close()))
    assert kind_of_error is sdk.APITimeoutError
    assert only_span(captured).attributes["error.type"] == "APITimeoutError"


@kinds
@sdks
@pytest.mark.parametrize("stream", [False, True])
def test_retried(stream, sdk, kind, llm, run, captured):
    """A call that the client retries is one span, which counts the retries and is no error."""
    busy = Reply(status=429, error="busy", headers={"retry-after-ms": "1"})
    llm.script(busy, busy, Reply(text="at last"))
    client = made(sdk, kind, llm.url, max_retries=2)
    assert "at last" in repr(run(kind, outcome(client, ASK[sdk])))
    run(kind, settle(client.close()))
    span = only_span(captured)
    assert len(llm.requests) == 3
    assert span.attributes["http.request.resend_count"] == 2
    assert span.status.status_code is StatusCode.UNSET
    assert "error.type" not in span.attributes


@kinds
@sdks
def test_retried_in_vain(sdk, kind, llm, run, captured):
    """Where every attempt fails the span has the last error and the number of retries."""
    busy = Reply(status=429, error="busy", headers={"retry-after-ms": "1"})
    llm.script(busy, busy)
    client = made(sdk, kind, llm.url, max_retries=1)
    assert run(kind, outcome(client, ASK[sdk]))[0] is sdk.RateLimitError
    run(kind, settle(client.close()))
    span = only_span(captured)
    assert (span.attributes["http.request.resend_count"], span.attributes["error.type"]) == (1, "RateLimitError")


@sdks
def test_cancelled(sdk, clients, llm, loop, captured):
    """A call that is no stream and whose task is cancelled has the cancellation as its error type, and no failure."""
    llm.script(Reply(headers_delay=60))
    with pytest.raises(asyncio.TimeoutError):
        loop.run_until_complete(asyncio.wait_for(settle(create(clients[sdk.__name__, "async"])(**ASK[sdk])), 0.2))
    span = only_span(captured)
    assert (span.status.status_code, span.attributes["error.type"]) == (StatusCode.UNSET, "CancelledError")


def test_a_failed_response_is_an_error(clients, llm, captured):
    """A response of status failed is an error by its code, although the client raises nothing."""
    client = clients["openai", "sync"]
    llm.script(Reply(finish_reason="error", error="out of order"))
    client.responses.create(model="m", input="Hi")
    span = only_span(captured)
    assert (span.attributes["error.type"], span.status.description) == ("server_error", "out of order")


# --- What nobody foresaw ------------------------------------------------------------------------------------------

UNFORESEEN = {
    openai: [
        ('{"id": "a", "model": "m-1", "choices": null}', {"gen_ai.response.id": "a", "gen_ai.response.model": "m-1"}),
        ('{"id": "a", "model": "m-1", "choices": [{"index": 0}]}', {"gen_ai.response.id": "a"}),
        ('{"id": "a", "model": "m-1", "choices": [{"message": null}], "usage": {"prompt_tokens": 3}}',
         {"gen_ai.usage.input_tokens": 3}),
        ('{"id": "a", "model": "m-1", "choices": "many", "usage": 7}', {"gen_ai.response.id": "a"}),
        ('{"error": {"message": "quota", "code": "x"}}', {"gen_ai.request.model": "m"}),
        ('{"id": "a", "model": "m-1", "new": {"deep": [1]}, "choices": [{"index": 0, "finish_reason": "stop", '
         '"message": {"role": "assistant", "content": "fine", "sound": {"x": 1}}}]}',
         {"gen_ai.response.finish_reasons": ("stop",)}),
        ("[1, 2]", {"gen_ai.request.model": "m"}),
        ("{}", {"gen_ai.request.model": "m"}),
    ],
    anthropic: [
        ('{"id": "a", "model": "m-1", "content": null}', {"gen_ai.response.id": "a", "gen_ai.response.model": "m-1"}),
        ('{"id": "a", "model": "m-1", "content": [{"type": "song", "notes": [1]}], "usage": {"input_tokens": 3}}',
         {"gen_ai.usage.input_tokens": 3}),
        ('{"id": "a", "model": "m-1", "content": [7], "usage": "none"}', {"gen_ai.response.id": "a"}),
        ('{"type": "error", "error": {"type": "overloaded_error", "message": "x"}}', {"gen_ai.request.model": "m"}),
        ('{"id": "a", "model": "m-1", "content": "text", "stop_reason": "end_turn"}', {"gen_ai.response.id": "a"}),
        ("[1, 2]", {"gen_ai.request.model": "m"}),
        ("{}", {"gen_ai.request.model": "m"}),
    ],
}  # fmt: skip
CASES = [(sdk, *case) for sdk, cases in UNFORESEEN.items() for case in cases]


@kinds
@pytest.mark.parametrize(
    ("sdk", "body", "known"), CASES, ids=lambda value: value[:40] if isinstance(value, str) else ""
)
def test_unforeseen_answers(sdk, body, known, kind, clients, llm, run, caplog):
    """Whatever is answered, the application gets the same, and the span what could be read, with one line at most."""
    client = clients[sdk.__name__, kind]
    seen = []
    for recording in (nullcontext(), capture(strict=False)):
        with recording as kept:
            if kept is not None:
                instrumentation.switch_on()
            llm.script(Reply(raw=body, headers={"content-type": "application/json"}))
            seen.append(run(kind, outcome(client, ASK[sdk])))
    assert seen[0] == seen[1]
    attributes = only_span(kept).attributes
    assert {key: attributes.get(key) for key in known} == known
    assert '"Hi"' in attributes["gen_ai.input.messages"]
    assert len([r for r in caplog.records if r.name == "rlhf_otel"]) <= 1


@kinds
@pytest.mark.parametrize("content", ["null", "7", '[{"type": "song"}]', '{"a": 1}'])
def test_unforeseen_questions(content, kind, clients, llm, run, captured):
    """A request that no schema foresees is sent as it is, and the span tells of it without a fault."""
    ask = {"model": "m", "messages": [{"role": "user", "content": json.loads(content)}, "stray"]}
    llm.script(Reply(text="fine"))
    assert "fine" in repr(run(kind, outcome(clients["openai", kind], ask)))
    assert only_span(captured).attributes["gen_ai.response.finish_reasons"] == ("stop",)


# --- Our own faults -----------------------------------------------------------------------------------------------


def _broken(*args, **kwargs):
    raise ZeroDivisionError("ours")


PLACES = [
    (app_context, "collected"), (call.Call, "start"), (call.Call, "sent"), (call.Call, "_finish"),
    (call.Call, "finalize"),
    (call.Call, "interaction"), (call.Call, "identified"), (call.Call, "_finish_inline"), (call.Call, "received"),
    (call.Call, "read_answer"), (Stamps, "max_gap_s"),
    (stainless, "_note_headers"), (stainless, "_note_response"), (stainless, "_model"), (stainless, "wrap_stream"),
    (stainless.StainlessPatch, "_service"), (stainless, "Watch"),
    (adoption, "outer_span"), (adoption, "sdk_will_trace"),
    (streams, "watch_of"), (streams.Watch, "closed"), (handles, "remember"), (handles, "attach"), (handles, "begin"),
    (ProviderTelemetry, "tracer"), (ProviderTelemetry, "end_later"), (ProviderTelemetry, "complete"),
    (ProviderTelemetry, "attributes"), (ProviderTelemetry, "measure"), (codec, "interaction_attributes"),
    (openai_readers.Chat, "request"), (openai_readers.Chat, "response"), (openai_readers.Chat, "chunk"),
    (openai_readers.Chat, "end"), (openai_readers.Chat, "new_state"), (openai_readers.OpenAI, "endpoint"),
    (openai_readers.OpenAI, "name_of"),
    (anthropic_readers.Messages, "request"), (anthropic_readers.Messages, "response"),
    (anthropic_readers.Messages, "chunk"), (anthropic_readers.Messages, "end"),
    (anthropic_readers.Messages, "new_state"), (anthropic_readers.Anthropic, "name_of"),
]  # fmt: skip


@kinds
@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place[0].__name__.rpartition('.')[2]}.{place[1]}")
def test_no_fault_of_ours_reaches_the_application(place, kind, clients, llm, run, lenient, monkeypatch):
    """Whatever breaks in us, plain calls, streams and errors give the application what they gave without us."""
    answers = (Reply(text="one two"), Reply(text="one two"), Reply(status=400, error="not today"))

    def seen():
        for sdk, ask in ASK.items():
            llm.script(*answers)
            for stream in (False, True, False):
                yield run(kind, outcome(clients[sdk.__name__, kind], ask, stream=stream))

    instrumentation.switch_off()
    bare = list(seen())
    instrumentation.switch_on()
    monkeypatch.setattr(*place, _broken)
    faults = hooks.counters["faults"]
    assert list(seen()) == bare
    assert hooks.counters["faults"] > faults


WATCHED = [
    (streams.Watch, "arrived"), (streams.Watch, "exhausted"), (streams.Watch, "follow"), (bodies.BodyReader, "feed"),
    (bodies.BodyReader, "finish"), (bodies, "lenient"), (stainless, "watch_of"), (stainless, "_returned_raw"),
]  # fmt: skip


@kinds
@pytest.mark.parametrize("place", WATCHED, ids=lambda place: f"{place[0].__name__.rpartition('.')[2]}.{place[1]}")
def test_no_fault_of_ours_changes_the_bytes(place, kind, clients, llm, run, lenient, monkeypatch):
    """Whatever breaks in us, an application that reads server-sent events by itself reads every byte of them."""
    method = clients["openai", kind].chat.completions.with_streaming_response.create
    monkeypatch.setattr(*place, _broken)
    faults = hooks.counters["faults"]
    llm.script(Reply(text="one two", gzip=True))
    assert "[DONE]" in repr(run(kind, shapes.streaming_lines(method, ASK[openai])))
    assert hooks.counters["faults"] > faults
    assert len(lenient.spans) == 1


class Unspeakable(BaseException):
    """An exception of the application's that fails to say what it is."""

    def __str__(self):
        raise ZeroDivisionError("what it says")


@kinds
@sdks
def test_an_exception_that_cannot_say_what_it_is(sdk, kind, llm, run, captured):
    """It reaches the application as itself, and ends the span, whose message says that there is none to be read."""

    def raises(_):
        raise Unspeakable

    async def raises_async(_):
        raise Unspeakable

    make = sdk.DefaultAsyncHttpxClient if kind == "async" else sdk.DefaultHttpxClient
    http_client = make(event_hooks={"response": [raises_async if kind == "async" else raises]})
    client = made(sdk, kind, llm.url, max_retries=0, http_client=http_client)
    with pytest.raises(Unspeakable):
        run(kind, settle(create(client)(**ASK[sdk])))
    assert [(i.error_type, i.error_message) for i in captured.interactions] == [("Unspeakable", "[unreadable]")]
