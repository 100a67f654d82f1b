"""Secrets in what other emitters send never reach the disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from rlhf_otel import semconv
from rlhf_otel.redact import Redactor
from rlhf_otel.server.cleaning import cleaner
from tests.conformance.messages import logs, metrics, span, traces
from tests.server.conftest import endpoint_of
from tests.server.process import Serve

ADDRESS = "joe.canary@example.com"
CLEAN = "[REDACTED:email]"


def cleaned(signal, request) -> bool:
    """Whether something was taken out of a request."""
    return cleaner(Redactor())(signal, request)


def text_in(request) -> str:
    """All that a request says."""
    return request.SerializeToString().decode("utf-8", "replace")


def test_every_text_of_a_span_is_looked_at() -> None:
    """Attributes however nested, names within them, the status, events and links."""
    inner = KeyValueList(values=[KeyValue(key=ADDRESS, value=AnyValue(string_value=ADDRESS))])
    nested = AnyValue(array_value=ArrayValue(values=[AnyValue(kvlist_value=inner)]))
    sent = span(text=ADDRESS, nested=nested)
    sent.status.message = f"no account for {ADDRESS}"
    for holder in (sent.events.add(name="e"), sent.links.add()):
        holder.attributes.add(key="a").value.string_value = ADDRESS
    request = traces(sent)
    assert cleaned("traces", request)
    assert ADDRESS not in text_in(request)
    assert text_in(request).count(CLEAN) == 6


def test_what_a_span_comes_from_and_is_called_is_looked_at() -> None:
    """The resource with the command line in it, the scope, names, and bytes that are text."""
    sent = span()
    sent.name = f"GET /users/{ADDRESS}"
    sent.events.add(name=ADDRESS)
    sent.attributes.add(key="raw").value.bytes_value = b"\xff " + ADDRESS.encode()
    request = traces(sent)
    resource = request.resource_spans[0].resource.attributes.add(key="process.command_args")
    resource.value.array_value.values.add().string_value = f"--user={ADDRESS}"
    request.resource_spans[0].scope_spans[0].scope.attributes.add(key="a").value.string_value = ADDRESS
    assert cleaned("traces", request)
    kept = request.resource_spans[0].scope_spans[0].spans[0]
    assert (kept.name, kept.attributes[-1].value.bytes_value) == (f"GET /users/{CLEAN}", b"\xff " + CLEAN.encode())
    assert (ADDRESS in repr(request), repr(request).count(CLEAN)) == (False, 5)


def test_what_is_called_a_secret_is_one() -> None:
    """By the key of an attribute, or of a value within one."""
    request = traces(span(db__password="open sesame"))
    values = request.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="tool").value.kvlist_value.values
    values.add(key="api_key").value.string_value = "open sesame"
    assert cleaned("traces", request)
    assert "open sesame" not in text_in(request)


def test_every_text_of_a_log_record_is_looked_at() -> None:
    """Attributes and the body."""
    request = logs()
    record = request.resource_logs[0].scope_logs[0].log_records[0]
    record.body.string_value = ADDRESS
    record.attributes.add(key="comment").value.string_value = ADDRESS
    assert cleaned("logs", request)
    assert (ADDRESS in text_in(request), text_in(request).count(CLEAN)) == (False, 2)


def test_json_stays_json() -> None:
    """A line break before an address is an escape in JSON, and must not be cut in two."""
    messages = json.dumps([{"role": "user", "parts": [{"type": "text", "content": f"write to\n{ADDRESS}\nor ä"}]}])
    request = traces(span(gen_ai__input__messages=messages))
    assert cleaned("traces", request)
    (said,) = (each.value.string_value for each in request.resource_spans[0].scope_spans[0].spans[0].attributes[3:])
    assert json.loads(said)[0]["parts"][0]["content"] == f"write to\n{CLEAN}\nor ä"


def test_half_a_character_beside_a_secret() -> None:
    """Text that was cut in the middle of an emoji's escape is replaced there; nothing else is lost for it."""
    sent = span(text=json.dumps([{"said": f"{ADDRESS} \ud83d"}]))
    request = traces(sent)
    assert cleaned("traces", request)
    (kept,) = request.resource_spans[0].scope_spans[0].spans
    (text,) = [pair.value.string_value for pair in kept.attributes if pair.key == "text"]
    assert json.loads(text) == [{"said": f"{CLEAN} \ufffd"}]


def test_what_looks_like_json_and_is_none_is_cleaned_as_text() -> None:
    """Also where it never ends."""
    for text in (f"[{ADDRESS}", "[" * 100_000 + ADDRESS):
        request = traces(span(text=text))
        assert cleaned("traces", request)
        assert ADDRESS not in text_in(request)


@pytest.mark.parametrize(
    ("signal", "request_of"), [("traces", lambda: traces(span())), ("logs", logs), ("metrics", metrics)]
)
def test_a_clean_request_is_left_alone(signal, request_of) -> None:
    """Then its bytes go to the store as they came."""
    request = request_of()
    before = request.SerializeToString()
    assert not cleaned(signal, request)
    assert request.SerializeToString() == before


def test_what_is_ours_is_left_as_it_was_sent() -> None:
    """Its application has decided what is taken out."""
    request = traces(span(text=ADDRESS))
    request.resource_spans[0].scope_spans[0].scope.name = semconv.SCOPE
    assert not cleaned("traces", request)


def test_not_one_byte_of_a_secret_is_on_the_disk(path: Path, way: str) -> None:
    """Not in the tables, not in the inbox, not in the write-ahead log."""
    with Serve(path) as server:
        request = traces(span(text=ADDRESS), span(text=f"{ADDRESS} {'x' * 40_000}"))
        assert endpoint_of(server, way).export("traces", request).ok
        assert all(ADDRESS.encode() not in file.read_bytes() for file in path.parent.iterdir())
        assert len(server.interactions()) == 2


def test_it_can_be_switched_off(path: Path) -> None:
    """By the setting that switches it off everywhere."""
    with Serve(path, environ={"RLHF_OTEL_REDACT": "false"}) as server:
        assert endpoint_of(server).export("traces", traces(span(text=ADDRESS))).ok
        assert server.interactions()[0].attributes["text"] == ADDRESS
