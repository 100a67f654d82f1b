"""What openai keeps: responses that are fetched, taken up again and cancelled, answers that come later, videos."""

from __future__ import annotations

import json
from collections import OrderedDict

import openai
import pytest

from rlhf_otel import handles, instrumentation
from rlhf_otel.instrumentation.providers.openai_background import waiting
from rlhf_otel.testing import Reply, Usage

from .conftest import deferred
from .contract import PICTURE
from .shapes import each, entered, settle

ASK = {"model": "gpt-5", "input": "Capital of France?", "instructions": "Be brief."}
REPLY = Reply(id="resp-a", text="Paris is it.", usage=Usage(input=50, output=20))
SAID = [{"role": "assistant", "parts": [{"type": "text", "content": "Paris is it."}], "finish_reason": "stop"}]
ASKED = [{"role": "user", "parts": [{"type": "text", "content": "Capital of France?"}]}]
USAGE = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.cache_read.input_tokens",
         "gen_ai.usage.reasoning.output_tokens")  # fmt: skip
each_kind = pytest.mark.parametrize("kind", ["sync", "async"])
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the SDK's, of methods that will leave it
    pytest.mark.skipif(int(openai.__version__.partition(".")[0]) < 3, reason="these methods are newer"),
]


@pytest.fixture(autouse=True)
def nothing_waits(monkeypatch):
    """No question of an earlier test waits for its answer: the fake provider's ids come again."""
    monkeypatch.setattr(waiting, "_asked", OrderedDict())


def content(span, name):
    """The messages that a span carries."""
    return json.loads(span.attributes[f"gen_ai.{name}.messages"])


@each_kind
def test_a_fetched_response_reports_no_usage(kind, llm, clients, run, captured):
    """Fetching is a span of its own with the answer and the id; the tokens were counted when it was made."""
    llm.script(REPLY)
    client = clients["openai", kind]

    async def fetch():
        made = await settle(client.responses.create(**ASK))
        return made, await settle(client.responses.retrieve(made.id))

    made, fetched = run(kind, fetch())
    create, fetch = captured.spans
    assert (fetch.name, fetch.attributes["gen_ai.response.id"]) == ("fetch_response", "resp-a")
    assert fetch.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert content(fetch, "output") == SAID
    assert [name for name in USAGE if name in fetch.attributes] == []
    assert create.attributes["gen_ai.usage.output_tokens"] == 20
    assert len(captured.interactions) == 2
    ids = {one.span_id for one in (handles.handle(made), handles.find("resp-a", "response"))}
    assert ids == {f"{create.context.span_id:016x}"}  # a rating by the response's id is on the call that was asked
    assert handles.handle(fetched).span_id == f"{fetch.context.span_id:016x}"


@each_kind
def test_an_answer_that_comes_later_has_its_question(kind, llm, clients, run, mode):
    """A background response is queued, then fetched: the fetching span holds question and answer, and is rated."""
    llm.script(REPLY)
    client = clients["openai", kind]

    async def wait():
        made = await settle(client.responses.create(**ASK, background=True))
        assert made.status == "queued"
        return await settle(client.responses.retrieve(made.id))

    with mode() as kept:
        instrumentation.switch_on()
        run(kind, wait())
        create, fetch = kept.spans
    assert "gen_ai.output.messages" not in create.attributes
    assert "gen_ai.response.finish_reasons" not in create.attributes
    assert (content(fetch, "input"), content(fetch, "output")) == (ASKED, SAID)
    assert json.loads(fetch.attributes["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be brief."}]
    assert handles.find("resp-a", "response").span_id == f"{fetch.context.span_id:016x}"


@each_kind
def test_a_stream_is_taken_up_again(kind, llm, clients, run, captured):
    """Resuming is a stream with times and an answer, and again without usage."""
    llm.script(REPLY)
    client = clients["openai", kind]

    async def resume():
        stream = await settle(client.responses.create(**ASK, stream=True, background=True))
        async for event in each(stream):
            if event.type == "response.output_text.delta":
                break
        await settle(stream.close())
        resumed = await settle(client.responses.retrieve("resp-a", stream=True, starting_after=event.sequence_number))
        return [event.type async for event in each(resumed)]

    seen = run(kind, resume())
    create, fetch = captured.spans
    assert create.attributes["rlhf.stream.end"] == "abandoned"
    assert fetch.attributes["rlhf.stream.chunks"] == len(seen)
    assert fetch.attributes["rlhf.response.time_to_first_token"] > 0
    assert (content(fetch, "input"), content(fetch, "output")) == (ASKED, SAID)
    assert [name for name in USAGE if name in fetch.attributes] == []


@each_kind
def test_a_cancelled_response_is_no_call_to_a_model(kind, llm, clients, run, captured):
    """Cancelling is a span with the response's id, and nothing that anybody would look at or rate."""
    llm.script(REPLY)
    client = clients["openai", kind]

    async def cancel():
        made = await settle(client.responses.create(**ASK, background=True))
        return await settle(client.responses.cancel(made.id))

    assert run(kind, cancel()).status == "cancelled"
    _, span = captured.spans
    assert (span.name, span.attributes["gen_ai.response.id"]) == ("cancel_response", "resp-a")
    assert [one.name for one in captured.interactions] == ["chat gpt-5"]


def test_what_no_model_answers_is_not_kept_as_a_call(llm, clients):
    """On our own provider too, counting, cancelling and waiting are spans, and only answers are calls."""
    client = clients["openai", "sync"]
    with deferred() as kept:
        instrumentation.switch_on()
        made = client.responses.create(**ASK, background=True)
        client.responses.input_tokens.count(**ASK)
        client.responses.cancel(made.id)
        client.responses.retrieve(made.id)
        spans = kept.spans
        calls = [item.interaction and item.interaction.operation for item in kept._kept]
    assert [span.name for span in spans] == ["chat gpt-5", "count_tokens gpt-5", "cancel_response", "fetch_response"]
    assert calls == ["chat", None, None, "fetch_response"]


def test_what_is_not_there_is_an_error_with_its_id(llm, clients, captured):
    """A response that nobody knows ends the fetching span with the id that was asked for."""
    with pytest.raises(openai.NotFoundError):
        clients["openai", "sync"].responses.retrieve("resp-0")
    (span,) = captured.spans
    assert (span.attributes["error.type"], span.attributes["gen_ai.response.id"]) == ("NotFoundError", "resp-0")
    assert captured.interactions == []


def test_a_stored_completion_is_fetched(llm, clients, captured):
    """The same for chat completions."""
    client = clients["openai", "sync"]
    client.chat.completions.retrieve("chatcmpl-9")
    (span,) = captured.spans
    assert (span.name, span.attributes["gen_ai.response.id"]) == ("fetch_response", "chatcmpl-9")
    assert content(span, "output")[0]["parts"][0]["content"] == "Hello! How can I help you today?"
    assert [name for name in USAGE if name in span.attributes] == []


@pytest.mark.parametrize("streaming", [False, True])
@each_kind
def test_a_video_is_fetched_with_its_prompt(kind, streaming, llm, clients, run, captured):
    """The span that brings the video tells its size, its hash and what it was made from."""
    llm.script(Reply(id="video_a"), Reply(), Reply(media=Reply().media))
    client = clients["openai", kind]

    async def make():
        job = await settle(client.videos.create(prompt="A cat runs.", model="sora-2"))
        job = await settle(client.videos.retrieve(job.id))
        if not streaming:
            return (await settle(client.videos.download_content(job.id))).content
        async with entered(client.videos.with_streaming_response.download_content(job.id)) as response:
            return b"".join([piece async for piece in each(response.iter_bytes(3))])

    assert run(kind, make()) == Reply().media
    _, job, video = captured.spans
    assert [job.name, video.name] == ["fetch_response", "fetch_response"]
    assert {span.attributes["gen_ai.response.id"] for span in (job, video)} == {"video_a"}
    assert content(video, "input")[0]["parts"] == [{"type": "text", "content": "A cat runs."}]
    expected = {**PICTURE, "modality": "video", "mime_type": "video/mp4"}
    assert content(video, "output")[0]["parts"] == [expected]
    assert [one.operation for one in captured.interactions] == ["video_generation", "fetch_response"]


def test_a_sound_that_is_left_has_no_hash(llm, clients, captured):
    """Of an answer that the application stops reading only the size so far is told."""
    llm.script(Reply(media=b"x" * 1_000_000))
    ask = {"model": "tts-1", "voice": "alloy", "input": "Hello."}
    with clients["openai", "sync"].audio.speech.with_streaming_response.create(**ask) as response:
        assert next(response.iter_bytes(10)) == b"x" * 10
    (span,) = captured.spans
    (part,) = content(span, "output")[0]["parts"]
    assert part["uri"] == ""
    assert 10 <= part["byte_size"] < 1_000_000
