"""boto3 beside its Bedrock runtime, and what only its streams and bodies have."""

from __future__ import annotations

import gc
import io
import json

import pytest
from opentelemetry.trace import StatusCode

from rlhf_otel import instrumentation
from rlhf_otel.testing import capture

from .case import required
from .wire import Body, Framed, Wire

boto3 = required("boto3")
from .cases_bedrock import CLAUDE_ASKED, CREDENTIALS, EVENTS, ID, NOVA, framed  # noqa: E402

ASKED = {"modelId": NOVA, "messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
LLAMA = {"prompt": "Hi", "max_gen_len": 9}
SAYS = {"generation": "Hello.", "stop_reason": "stop"}


@pytest.fixture(scope="module")
def wire():
    """One server for all tests."""
    server = Wire()
    yield server
    server.close()


@pytest.fixture
def kept():
    """Calls of the runtime are recorded."""
    instrumentation.switch_on(("bedrock",))
    with capture() as made:
        yield made
    instrumentation.switch_off(("bedrock",))


@pytest.fixture(scope="module")
def client(wire):
    """A client of the runtime."""
    return boto3.client("bedrock-runtime", endpoint_url=wire.url, **CREDENTIALS)


def invoke(client, wire, asked=LLAMA, says=SAYS, model="meta.llama3-8b-instruct-v1:0"):
    """The body of an answer that is still to be read."""
    wire.tell(Body(says, headers=ID))
    return client.invoke_model(modelId=model, body=asked if hasattr(asked, "read") else json.dumps(asked))["body"]


def output(kept):
    """The text of the one span's answer."""
    (span,) = kept.spans
    return json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"][0]["content"]


def test_other_services(wire, kept, client):
    """A call of another service goes by unrecorded, and so does one of the runtime that asks no model."""
    wire.tell(Body({"QueueUrls": ["q"]}), Body({"asyncInvokeSummaries": []}))
    queues = boto3.client("sqs", endpoint_url=wire.url, **CREDENTIALS)
    assert queues.list_queues()["QueueUrls"] == ["q"]
    assert client.list_async_invokes()["asyncInvokeSummaries"] == []
    assert kept.spans == []


@pytest.mark.parametrize(
    "read",
    [b"".join, lambda body: b"".join(body.iter_lines()), lambda body: b"".join(body.readlines()),
     lambda body: io.BufferedReader(body).read(), lambda body: body.read(len(json.dumps(SAYS)))],
    ids=["chunks", "lines", "all-lines", "buffered", "exactly"],
)  # fmt: skip
def test_ways_to_read_a_body(wire, kept, client, read):
    """However the application reads the bytes, it gets all of them, and the span has ended with the last one."""
    body = invoke(client, wire)
    assert kept.spans == []
    assert json.loads(read(body)) == SAYS
    assert output(kept) == "Hello."


def test_a_body_in_a_with_block(wire, kept, client):
    """Leaving the block closes the connection and ends the span."""
    body = invoke(client, wire)
    with body as raw:
        assert json.loads(raw.read()) == SAYS
    assert output(kept) == "Hello."


def test_a_body_that_is_not_read(wire, kept, client):
    """A body that is dropped or closed unread is a span without an answer."""
    invoke(client, wire)
    gc.collect()
    invoke(client, wire).close()
    assert [span.attributes.get("gen_ai.output.messages") for span in kept.spans] == [None, None]


def test_a_request_that_is_a_file(wire, kept, client):
    """A body that is a file is sent as it is, and not read before."""
    body = invoke(client, wire, io.BytesIO(json.dumps(LLAMA).encode()))
    assert json.loads(body.read()) == SAYS
    assert json.loads(wire.requests[0][2]) == LLAMA
    assert "gen_ai.input.messages" not in kept.spans[0].attributes


def test_a_model_by_a_profile(wire, kept, client):
    """A model that its address does not name is known by what it is asked."""
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"
    says = {"id": "msg_1", "content": [{"type": "text", "text": "Hello."}], "stop_reason": "end_turn"}
    invoke(client, wire, CLAUDE_ASKED, says, arn).read()
    assert output(kept) == "Hello."


def test_a_stream_that_fails(wire, kept, client):
    """What the service raises in the middle of a stream is raised as ever, and told by the span."""
    failing = {":message-type": "exception", ":exception-type": "throttlingException"}
    events = framed(*EVENTS[:4]).messages
    wire.tell(Framed([*events, ({**failing, ":content-type": "application/json"}, {"message": "slow down"})]))
    with pytest.raises(client.exceptions.ClientError, match="slow down"):
        list(client.converse_stream(**ASKED)["stream"])
    (span,) = kept.spans
    assert span.attributes["error.type"] == "throttlingException"
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "slow down")
    assert span.attributes["rlhf.stream.end"] == "error"


def test_a_stream_that_is_closed(wire, kept, client):
    """Closing the stream ends the span, and the connection is closed."""
    wire.tell(framed(*EVENTS))
    stream = client.converse_stream(**ASKED)["stream"]
    assert next(iter(stream)) == {"messageStart": {"role": "assistant"}}
    stream.close()
    assert kept.spans[0].attributes["rlhf.stream.end"] == "abandoned"


def test_one_client(wire, client):
    """Only the client that was asked for is recorded."""
    other = boto3.client("bedrock-runtime", endpoint_url=wire.url, **CREDENTIALS)
    with capture() as kept:
        instrumentation.instrument_client(client)
        for asking in (other, client):
            wire.tell(Body({"stopReason": "end_turn"}))
            asking.converse(**ASKED)
        assert len(kept.spans) == 1
    instrumentation.switch_off()
