"""OpenAI's batches: each answer in a file that the application fetches is a call, once, with its question."""

from __future__ import annotations

import io
import json

import pytest

from rlhf_otel import instrumentation
from rlhf_otel.instrumentation import batches
from rlhf_otel.instrumentation.providers import openai_batches
from rlhf_otel.testing import Reply, Usage

from .contract import answered, decoded, text, user
from .shapes import each, entered, settle

each_kind = pytest.mark.parametrize("kind", ["sync", "async"])


@pytest.fixture(autouse=True)
def empty_memory(monkeypatch):
    """No answer has been recorded and no file seen yet."""
    monkeypatch.setattr(batches, "memory", batches.Memory())
    monkeypatch.setattr(openai_batches, "files", openai_batches._Files())


def line(custom_id, url, **body):
    """One line of an input file."""
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": url, "body": {"model": "gpt-5", **body}})


LINES = "\n".join([
    line("a", "/v1/chat/completions", messages=[{"role": "user", "content": "One?"}], temperature=0.5),
    line("b", "/v1/chat/completions", messages=[{"role": "user", "content": "Two?"}]),
    line("c", "/v1/responses", input="Three?"),
    line("d", "/v1/embeddings", input="Four?"),
    line("e", "/v1/chat/completions", messages=[{"role": "user", "content": "Five?"}]),
])  # fmt: skip
REPLIES = [
    Reply(text="1.", id="chatcmpl-1", model="gpt-5-2026", usage=Usage(input=5, output=3)),
    Reply(status=400, error="too long"),
    Reply(text="3.", id="resp-3"),
    Reply(embeddings=[[1.0, 2.0]]),
    Reply(finish_reason="expired"),
]


def uploads():
    """The forms in which an input file may be uploaded."""
    data = LINES.encode()
    return [("lines.jsonl", data), io.BytesIO(data), ("lines.jsonl", io.BytesIO(data))]


async def make(client, file):
    """Uploads, makes a batch and waits for its files."""
    uploaded = await settle(client.files.create(file=file, purpose="batch"))
    made = await settle(client.batches.create(
        input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h"))  # fmt: skip
    return await settle(client.batches.retrieve(made.id))


async def fetch(client, batch):
    """Fetches both files of a batch."""
    return [(await settle(client.files.content(name))).content for name in (batch.output_file_id, batch.error_file_id)]


def answers(spans):
    """The spans of answers, by the application's id."""
    found = [span for span in spans if "rlhf.batch.custom_id" in span.attributes]
    named = {span.attributes["rlhf.batch.custom_id"]: span for span in found}
    assert len(named) == len(found)
    return named


@pytest.mark.parametrize("form", range(3))
@each_kind
def test_each_answer_is_a_call_with_its_question(kind, form, llm, clients, run, mode):
    """Upload, batch, results: three spans of the batch's life at most, and one call for each line."""
    client = clients["openai", kind]

    async def whole():
        llm.script(*REPLIES)
        return await fetch(client, await make(client, uploads()[form]))

    with mode() as kept:
        instrumentation.switch_on()
        output, errors = run(kind, whole())
        spans = kept.spans
    assert (output.count(b"\n"), errors.count(b"\n")) == (3, 2)
    batch = f"batch_{llm.requests[1].number}"
    assert [(s.name, s.attributes["rlhf.batch.status"]) for s in spans[:2]] == [
        ("create_batch", "validating"), ("fetch_batch", "completed")]  # fmt: skip
    found = answers(spans)
    assert len(spans) == 7
    assert decoded(found["a"].attributes) == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "server.address": "127.0.0.1",
        "gen_ai.request.model": "gpt-5", "gen_ai.request.temperature": 0.5, "openai.api.type": "chat_completions",
        "gen_ai.response.id": "chatcmpl-1", "gen_ai.response.model": "gpt-5-2026",
        "gen_ai.response.finish_reasons": ["stop"], "openai.response.service_tier": "default",
        "gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 0, "gen_ai.usage.reasoning.output_tokens": 0,
        "rlhf.batch.id": batch, "rlhf.batch.custom_id": "a",
        "gen_ai.input.messages": [user("One?")], "gen_ai.output.messages": [answered("stop", text("1."))],
    }  # fmt: skip
    assert decoded(found["c"].attributes)["gen_ai.output.messages"] == [answered("stop", text("3."))]
    assert found["d"].attributes["gen_ai.embeddings.dimension.count"] == 2
    failed = {name: (found[name].attributes["error.type"], found[name].status.description) for name in "be"}
    assert failed == {"b": ("invalid_request_error", "too long"),
                      "e": ("batch_expired", "This request could not be executed in time.")}  # fmt: skip
    assert decoded(found["b"].attributes)["gen_ai.input.messages"] == [user("Two?")]


@each_kind
def test_answers_are_read_as_they_come(kind, llm, clients, run, captured):
    """A file that the application reads piece by piece, and reads again, gives each call once."""
    client = clients["openai", kind]

    async def whole():
        llm.script(*REPLIES)
        batch = await make(client, uploads()[0])
        taken = []
        for _ in range(2):
            async with entered(client.files.with_streaming_response.content(batch.output_file_id)) as response:
                taken.append(b"".join([piece async for piece in each(response.iter_bytes(7))]))
        return taken

    first, again = run(kind, whole())
    assert first == again
    assert sorted(answers(captured.spans)) == ["a", "c", "d"]


def test_answers_of_a_batch_that_was_made_elsewhere(llm, clients, captured):
    """Without a question there is the answer alone, under the id of the file."""
    llm.script(*REPLIES)
    client = clients["openai", "sync"]
    instrumentation.switch_off()
    file = client.batches.retrieve(client.batches.create(
        input_file_id=client.files.create(file=uploads()[0], purpose="batch").id, endpoint="/v1/chat/completions",
        completion_window="24h").id).output_file_id  # fmt: skip
    instrumentation.switch_on()
    client.files.content(file)
    found = answers(captured.spans)
    assert len(captured.spans) == len(found) == 3
    assert found["a"].attributes["rlhf.batch.id"] == file
    assert "gen_ai.input.messages" not in found["a"].attributes


@pytest.mark.parametrize("content", [b"%PDF-1.7" + bytes(9000), b'{"a": 1}\n' * 1000, b"", b"{" * 5000, b"\n\n"])
def test_other_files_are_let_through(content, llm, clients, captured):
    """A file that is no answer of a batch leaves no span and nothing in memory."""
    client = clients["openai", "sync"]
    uploaded = client.files.create(file=("a", content), purpose="user_data")
    assert client.files.content(uploaded.id).content == content
    with client.files.with_streaming_response.content(uploaded.id) as response:
        assert b"".join(response.iter_bytes(1000)) == content
    assert captured.spans == []
    assert openai_batches.files._uploaded == {}


def test_what_is_kept_is_bounded(monkeypatch):
    """Of uploads and of names only the newest are kept."""
    files = openai_batches._Files()
    monkeypatch.setattr(batches, "MOST_BYTES", 10)
    monkeypatch.setattr(openai_batches, "MOST_FILES", 2)
    for name in "abc":
        files.keep(name, b"xxxx")
        files.belongs(f"out-{name}", f"batch-{name}", name)
    assert list(files._uploaded) == ["b", "c"]
    assert [files.batch_of(f"out-{name}") for name in "abc"] == [("out-a", ""), ("batch-b", "b"), ("batch-c", "c")]


def test_a_cancelled_batch(llm, clients, captured):
    """Cancelling is a span with the id, also where there is no such batch."""
    client = clients["openai", "sync"]
    with pytest.raises(Exception, match="No batch found"):
        client.batches.cancel("batch_0")
    (span,) = captured.spans
    assert (span.name, span.attributes["rlhf.batch.id"]) == ("cancel_batch", "batch_0")
