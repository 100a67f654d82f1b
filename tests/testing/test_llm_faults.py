"""What the real clients make of a provider that fails, stalls or breaks off."""

from __future__ import annotations

import anthropic
import openai
import pytest

from rlhf_otel.testing import FakeLLM, Reply

ASK = {"model": "gpt-5", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
ASK_ANTHROPIC = {**ASK, "max_tokens": 64}
TEXT = "Paris is the capital"
PIECES = ["Paris", " is", " the", " capital"]


def read_until_it_breaks(stream):
    """The text that came before the stream raised, and what it raised."""
    text = ""
    try:
        for chunk in stream:
            text += chunk.choices[0].delta.content or ""
    except Exception as error:
        return text, error
    return text, None


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_openai_statuses_become_the_sdks_errors(llm, openai_client, status, error, stream):
    """An error status raises the SDK's own class with the scripted message and the request id."""
    llm.script(Reply(status=status, error="not today"))
    with pytest.raises(error, match="not today") as raised:
        openai_client.chat.completions.create(**ASK, stream=stream)
    assert raised.value.request_id == "req_1"


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "invalid_request_error"), (429, "rate_limit_error"), (529, "overloaded_error")]
)
def test_anthropic_statuses_carry_their_kind(llm, anthropic_client, status, kind):
    """An error status raises with Anthropic's error body, whose type fits the status."""
    llm.script(Reply(status=status, error="not today"))
    with pytest.raises(anthropic.APIStatusError, match="not today") as raised:
        anthropic_client.messages.create(**ASK_ANTHROPIC)
    assert (raised.value.status_code, raised.value.body["error"]["type"]) == (status, kind)


def test_an_error_body_can_be_scripted_whole(llm, openai_client):
    """A mapping as the error is the body itself."""
    llm.script(Reply(status=400, error={"error": {"message": "too long", "code": "context_length_exceeded"}}))
    with pytest.raises(openai.BadRequestError) as raised:
        openai_client.chat.completions.create(**ASK)
    assert raised.value.code == "context_length_exceeded"


def test_clients_retry_and_say_so(llm, openai_client):
    """After a scripted 429 the client asks again, counts the retry in a header, and gets the next reply."""
    llm.script(Reply(status=429, headers={"retry-after-ms": "1"}), Reply(text=TEXT))
    answer = openai_client.with_options(max_retries=2).chat.completions.create(**ASK)
    assert answer.choices[0].message.content == TEXT
    assert [request.headers["x-stainless-retry-count"] for request in llm.requests] == ["0", "1"]


def test_a_stream_can_be_cut_after_some_chunks(llm, openai_client):
    """disconnect_after closes the socket after so many pieces; the client has those and then an error."""
    llm.script(Reply(text=TEXT, disconnect_after=2))
    text, error = read_until_it_breaks(openai_client.chat.completions.create(**ASK, stream=True))
    assert (text, type(error)) == ("".join(PIECES[:2]), openai.APIConnectionError)


def test_an_anthropic_stream_can_be_cut(llm, anthropic_client):
    """An Anthropic stream that is cut gives the pieces before the cut and then raises."""
    llm.script(Reply(text=TEXT, disconnect_after=3))
    pieces = []
    with pytest.raises(Exception, match="incomplete chunked read"):
        for event in anthropic_client.messages.create(**ASK_ANTHROPIC, stream=True):
            pieces += [event.delta.text] if event.type == "content_block_delta" else []
    assert pieces == PIECES[:3]


def test_a_plain_answer_can_be_cut(llm, openai_client):
    """disconnect_after breaks a plain answer off within its body."""
    llm.script(Reply(text=TEXT, disconnect_after=0))
    with pytest.raises(openai.APIConnectionError):
        openai_client.chat.completions.create(**ASK)


@pytest.mark.parametrize("stream", [False, True])
def test_no_response_closes_before_the_headers(llm, openai_client, stream):
    """no_response is a connection error, plain and streamed."""
    llm.script(Reply(malformed="no_response"))
    with pytest.raises(openai.APIConnectionError):
        openai_client.chat.completions.create(**ASK, stream=stream)


def test_an_error_event_ends_an_openai_stream(llm, openai_client):
    """error_event raises the SDK's APIError after the first half of the text."""
    llm.script(Reply(text=TEXT, malformed="error_event", error="the engine stopped"))
    text, error = read_until_it_breaks(openai_client.chat.completions.create(**ASK, stream=True))
    assert text == "".join(PIECES[:2])
    assert (type(error), error.message) == (openai.APIError, "the engine stopped")


def test_an_error_event_is_part_of_a_responses_stream(llm, openai_client):
    """error_event in the responses API is an event with the message and the next sequence number."""
    llm.script(Reply(text=TEXT, malformed="error_event", error="the engine stopped"))
    events = list(openai_client.responses.create(model="gpt-5", input="?", stream=True))
    assert (events[-1].type, events[-1].message) == ("error", "the engine stopped")
    assert events[-1].sequence_number == len(events) - 1


def test_an_error_event_raises_from_an_anthropic_stream(llm, anthropic_client):
    """error_event raises Anthropic's status error of kind overloaded, although the status was 200."""
    llm.script(Reply(text=TEXT, malformed="error_event"))
    with pytest.raises(anthropic.APIStatusError) as raised:
        list(anthropic_client.messages.create(**ASK_ANTHROPIC, stream=True))
    assert raised.value.body["error"]["type"] == "overloaded_error"


def test_invalid_json_in_a_stream_raises(llm, openai_client):
    """invalid_json is an event that does not parse, after the first half of the text."""
    llm.script(Reply(text=TEXT, malformed="invalid_json"))
    text, error = read_until_it_breaks(openai_client.chat.completions.create(**ASK, stream=True))
    assert text == "".join(PIECES[:2])
    assert isinstance(error, ValueError)


def test_invalid_json_in_a_plain_answer_raises(llm, openai_client):
    """invalid_json is a body that the client cannot decode."""
    llm.script(Reply(text=TEXT, malformed="invalid_json"))
    with pytest.raises(ValueError, match="Expecting property name"):
        openai_client.chat.completions.create(**ASK)


def test_a_truncated_stream_ends_early_and_quietly(llm, openai_client):
    """truncated ends the body within an event, which the client does not notice: half the text is all there is."""
    llm.script(Reply(text=TEXT, malformed="truncated"))
    text, error = read_until_it_breaks(openai_client.chat.completions.create(**ASK, stream=True))
    assert (text, error) == ("".join(PIECES[:2]), None)


@pytest.mark.parametrize("malformed", ["error_body", "error_event"])
def test_an_error_can_hide_behind_a_200(llm, openai_client, malformed):
    """error_body, and error_event where nothing is streamed, answer 200 with the JSON of an error."""
    llm.script(Reply(malformed=malformed, error="not today"))
    raw = openai_client.chat.completions.with_raw_response.create(**ASK)
    assert (raw.status_code, raw.http_response.json()["error"]["message"]) == (200, "not today")


def test_raw_bytes_are_sent_verbatim(llm, openai_client):
    """raw is the body, in one piece where nothing is streamed and piece by piece where it is."""
    wire = ["data: [DO", "NE]\n", "\n"]
    llm.script(Reply(raw=b'{"odd": true}'), Reply(raw=wire))
    plain = openai_client.chat.completions.with_raw_response.create(**ASK)
    with openai_client.chat.completions.with_streaming_response.create(**ASK, stream=True) as streamed:
        body = streamed.read()
    assert (plain.http_response.content, body) == (b'{"odd": true}', "".join(wire).encode())


@pytest.mark.parametrize("stream", [False, True])
def test_gzip_is_undone_by_the_client(llm, openai_client, stream):
    """A compressed answer reads like any other, and its header says that it was compressed."""
    llm.script(Reply(text=TEXT, gzip=True))
    raw = openai_client.chat.completions.with_raw_response.create(**ASK, stream=stream)
    assert raw.headers["content-encoding"] == "gzip"
    parsed = raw.parse()
    text = read_until_it_breaks(parsed)[0] if stream else parsed.choices[0].message.content
    assert text == TEXT


def test_a_client_timeout_is_met_by_a_delay(llm, openai_client):
    """A reply whose headers come late makes an impatient client time out."""
    llm.script(Reply(headers_delay=30))
    with pytest.raises(openai.APITimeoutError):
        openai_client.with_options(timeout=0.05).chat.completions.create(**ASK)


def test_closing_the_server_ends_a_waiting_stream():
    """A stream that waits for its next piece breaks when the server is closed; nobody waits for the delay."""
    with FakeLLM(Reply(text=TEXT, chunk_delay=60)) as llm:
        with openai.OpenAI(base_url=llm.openai_url, api_key="test", max_retries=0) as client:
            stream = client.chat.completions.create(**ASK, stream=True)
            pieces = [next(stream).choices[0].delta.content for _ in range(2)]
            llm.close()
            with pytest.raises(openai.APIConnectionError):
                next(stream)
    assert pieces == ["", PIECES[0]]
