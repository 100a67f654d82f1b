"""Every call shape gives the one span that the contract writes out, and the application the result that it had."""

from __future__ import annotations

import copy
import pickle
import sys
from contextlib import nullcontext
from dataclasses import replace

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from rlhf_otel import instrumentation
from rlhf_otel.testing import capture

from . import contract_anthropic, contract_media, contract_openai, contract_responses
from .contract import TIMES, check_times, decoded, is_newest
from .shapes import find

CASES = [*contract_openai.CASES, *contract_responses.CASES, *contract_media.CASES, *contract_anthropic.CASES]
KINDS = ("sync", "async")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK's, of methods that will leave it
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def method(case, kind, clients, llm, run):
    """The method that the case calls; skipped where the SDK is too old to have it, or to read such an answer."""
    found = case.method(clients[case.sdk, kind])
    if found is None:
        pytest.skip(f"this version of {case.sdk} has no {case.path}")
    if not is_newest(case.sdk):
        llm.script(case.talk.reply)
        try:
            run(kind, case.way(found, case.ask))
        except Exception as error:
            pytest.skip(f"this version of {case.sdk} cannot read such an answer: {error!r}")
        llm.clear()
    return found


@each_kind
@each_case
def test_one_span_as_the_contract_says(case, kind, method, llm, run, mode):
    """A call makes exactly one span, with the literal name, attributes and messages, whoever's provider it is on."""
    llm.script(case.talk.reply)
    with mode() as kept:
        instrumentation.switch_on()
        run(kind, case.way(method, case.ask))
        (span,) = kept.spans
    assert (span.name, span.kind, span.status.status_code) == (case.talk.span_name, SpanKind.CLIENT, StatusCode.UNSET)
    assert span.instrumentation_scope.name == "rlhf_otel"
    assert span.attributes["server.port"] == int(llm.url.rpartition(":")[2])
    assert decoded(span.attributes) == case.expected()
    check_times(case, span)
    assert len(llm.requests) == 1


@each_kind
@each_case
def test_the_application_sees_the_same(case, kind, method, llm, run):
    """Types, values and the order of everything that the application sees are those of the bare client."""
    seen = []
    for recording in (nullcontext, capture):
        with recording():
            if recording is capture:
                instrumentation.switch_on()
            llm.script(case.talk.reply)
            seen.append(run(kind, case.way(method, case.ask)))
    assert seen[0] == seen[1]
    bare, instrumented = (_without_boundary(request) for request in llm.requests)
    assert bare == instrumented


def _without_boundary(request):
    """The body of a request; in a form, what separates the fields is drawn by lot."""
    boundary = request.headers.get("content-type", "").partition("boundary=")[2]
    return request.content.replace(boundary.encode(), b"") if boundary else request.content


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_the_newest_client_has_every_shape(sdk, clients):
    """In the newest supported major version no shape of the contract is skipped."""
    if not is_newest(sdk):
        pytest.skip(f"{sdk} {sys.modules[sdk].__version__} is not the newest major version")
    missing = [case.id for case in CASES if case.sdk == sdk and case.method(clients[sdk, "sync"]) is None]
    assert missing == []


def test_images_do_not_travel(llm, clients, captured):
    """No attribute of a span holds the base64 of an image that the application sent inline."""
    for module, ask in ((contract_openai, "chat.completions"), (contract_anthropic, "messages")):
        client = clients["openai" if module is contract_openai else "anthropic", "sync"]
        target = client
        for name in ask.split("."):
            target = getattr(target, name)
        target.create(**module.IMAGES.ask)
    assert len(captured.spans) == 2
    assert "iVBORw0KGgo" not in repr([dict(span.attributes) for span in captured.spans])


@pytest.mark.parametrize("copied", [lambda r: pickle.loads(pickle.dumps(r)), copy.deepcopy, copy.copy])
@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_results_can_be_copied_and_pickled(sdk, copied, llm, clients, captured):
    """What a recorded call returned is pickled and copied as without us, request id included."""
    case = next(case for case in CASES if case.sdk == sdk)
    llm.script(case.talk.reply)
    result = case.method(clients[sdk, "sync"])(**case.ask)
    again = copied(result)
    assert type(again) is type(result)
    assert again.model_dump() == result.model_dump()
    assert again._request_id == result._request_id == "req-a"


@pytest.mark.parametrize("path", ["chat.completions.create", "responses.create", "messages.create"])
def test_the_first_token_is_not_the_first_chunk(path, llm, clients, captured):
    """Events without text (a role, a start, a ping) are chunks and no token; reasoning has a time of its own."""
    sdk = "anthropic" if path == "messages.create" else "openai"
    case = next(case for case in CASES if case.path == path and case.talk.first == "reasoning" and case.streams)
    llm.script(replace(case.talk.reply, first_delay=0.05, chunk_delay=0.02))
    for _ in find(clients[sdk, "sync"], path)(**case.ask, stream=True):
        pass
    (span,) = captured.spans
    chunk, reasoning, token = (span.attributes[name] for name in (*TIMES[:1], TIMES[2], TIMES[1]))
    assert chunk < reasoning < token
    assert reasoning >= 0.05
    assert token >= 0.09  # two pieces of reasoning come before it
