"""What people complain about in other instrumentations, 11 to 34: calls, tokens, owners, sizes and faults."""

from __future__ import annotations

import base64
import json
import logging
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import rlhf_otel as rlhf
from rlhf_otel import feedback, hooks, instrumentation
from rlhf_otel.export import setup
from rlhf_otel.instrumentation.providers import openai as readers
from rlhf_otel.store import Store
from rlhf_otel.testing import FakeCollector, Reply, Usage, capture
from tests.instrumentation import shapes
from tests.instrumentation.clockwork import MESSAGES, each_kind
from tests.instrumentation.contract import Place
from tests.instrumentation.endings import said
from tests.instrumentation.shapes import find, settle

ASK: Any = {"model": "m", "messages": MESSAGES}
CLAUDE: Any = {**ASK, "max_tokens": 9}
ROOT = Path(__file__).parents[2]
MB = 1_000_000


def usage(span: Any) -> dict[str, int]:
    """The token counts of a span."""
    start = "gen_ai.usage."
    return {key.removeprefix(start): value for key, value in span.attributes.items() if key.startswith(start)}


@each_kind
@pytest.mark.parametrize("way", [shapes.raw, shapes.raw_stream, shapes.streaming_lines], ids=lambda way: way.__name__)
def test_11_raw_responses_are_the_same_and_the_span_is_full(way, kind, clients, llm, run) -> None:
    """The application gets the identical raw response, and the span has text, model and reason all the same."""
    style = "with_streaming_response" if way is shapes.streaming_lines else "with_raw_response"
    seen = []
    for recording in (nullcontext(), capture()):
        with recording as kept:
            if kept is not None:
                instrumentation.switch_on()
            llm.script(Reply(text="Paris."))
            method = find(clients["openai", kind], f"chat.completions.{style}.create")
            seen.append(run(kind, way(method, ASK)))
    assert seen[0] == seen[1]
    (span,) = kept.spans
    assert (said(span), span.attributes["gen_ai.response.finish_reasons"]) == ("Paris.", ("stop",))


@each_kind
@pytest.mark.parametrize("path", ["chat.completions.parse", "beta.chat.completions.parse"])
def test_12_structured_outputs_are_one_span(path, kind, clients, llm, run, captured, capfd) -> None:
    """Both spellings of `parse` are one span that says that JSON was asked for, and nothing is printed."""
    method = find(clients["openai", kind], path)
    if method is None:
        pytest.skip(f"this version of openai has no {path}")
    llm.script(Reply(text='{"city": "Paris"}'))
    answer = run(kind, settle_(method, response_format=Place))
    assert answer.choices[0].message.parsed == Place(city="Paris")
    (span,) = captured.spans
    assert (said(span), span.attributes["gen_ai.output.type"]) == ('{"city": "Paris"}', "json")
    assert capfd.readouterr() == ("", "")


async def settle_(method: Any, **more: Any) -> Any:
    """The answer of a client of either kind."""
    return await settle(method(**ASK, **more))


@pytest.mark.parametrize("asks", [True, False])
def test_13_streams_have_usage_where_it_is_wanted(asks, clients, llm, monkeypatch) -> None:
    """With the setting the usage is on the span and no chunk more is seen; without it nothing is guessed."""
    monkeypatch.setenv("RLHF_OTEL_INJECT_USAGE", str(asks))
    monkeypatch.setenv("RLHF_OTEL_PROVIDER_NAMES", "127.0.0.1=openai")
    with capture() as kept:
        instrumentation.switch_on()
        llm.script(Reply(text="Paris.", usage=Usage(input=7, output=3)))
        chunks = list(clients["openai", "sync"].chat.completions.create(**ASK, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    (span,) = kept.spans
    assert usage(span).get("output_tokens") == (3 if asks else None)
    assert "rlhf.usage.estimated" not in span.attributes


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_14_cached_tokens_are_counted_once(sdk, stream, clients, llm, captured) -> None:
    """OpenAI's cached tokens are within its input, Anthropic's beside it; the total and its parts are right in both."""
    llm.script(Reply(text="Paris.", usage=Usage(input=40, output=20, cached=10, cache_write=6 * (sdk == "anthropic"))))
    client = clients[sdk, "sync"]
    if sdk == "openai":
        options: Any = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        answer = client.chat.completions.create(**ASK, **options)
    else:
        answer = client.messages.create(**CLAUDE, stream=stream)
    if stream:
        list(answer)
    counts = usage(captured.spans[0])
    total, parts = (40, {"cache_read": 10}) if sdk == "openai" else (56, {"cache_read": 10, "cache_write": 6})
    assert counts["input_tokens"] == total
    assert {name: counts[f"{name}.input_tokens"] for name in parts} == parts
    assert counts["input_tokens"] - sum(parts.values()) == (30 if sdk == "openai" else 40)


@pytest.mark.parametrize("path", ["chat.completions.create", "responses.create", "messages.create"])
def test_15_reasoning_is_within_the_output(path, clients, llm, captured) -> None:
    """The tokens of the reasoning are a part of the output and not added to it."""
    llm.script(Reply(text="Paris.", reasoning="well", usage=Usage(input=40, output=20, reasoning=5)))
    method = find(clients["anthropic" if path == "messages.create" else "openai", "sync"], path)
    method(**{"chat.completions.create": ASK, "responses.create": {"model": "m", "input": "?"}}.get(path, CLAUDE))
    counts = usage(captured.spans[0])
    assert counts["output_tokens"] == 20
    assert counts.get("reasoning.output_tokens", 5) == 5


def test_16_a_framework_above_is_not_counted_twice(clients, llm, captured) -> None:
    """Spans of chains and agents around a call are parents: one LLM span with usage for each request.

    With the real LangChain, litellm and instructor: `tests/beside`.
    """
    tracer = captured.tracer_provider.get_tracer("framework")
    with tracer.start_as_current_span("chain", attributes={"openinference.span.kind": "CHAIN"}):
        with tracer.start_as_current_span("agent", attributes={"gen_ai.operation.name": "invoke_agent"}):
            clients["openai", "sync"].chat.completions.create(**ASK)
            clients["openai", "sync"].chat.completions.create(**ASK)
    assert len(llm.requests) == 2
    assert len([span for span in captured.spans if usage(span)]) == 2


@each_kind
def test_17_anthropic_does_not_trace_what_we_do(kind, clients, llm, run, captured, global_provider, exporter) -> None:
    """There is exactly one span of the call, and it is the one that feedback points at."""
    llm.script(Reply(text="Hello."))
    message = run(kind, settle(clients["anthropic", kind].messages.create(**CLAUDE)))
    assert exporter.get_finished_spans() == ()
    (span,) = captured.spans
    feedback.record(message, True)
    (event,) = captured.logs
    assert event.span_id == span.context.span_id
    assert rlhf.handle(message).span_id == f"{span.context.span_id:016x}"


def test_18_what_is_tested_is_what_is_supported(clients, llm, captured) -> None:
    """The real libraries, of supported majors, really call the fake server; the oldest versions are in the matrix."""
    clients["openai", "sync"].chat.completions.create(**ASK)
    clients["anthropic", "sync"].messages.create(**CLAUDE)
    agents = [request.headers["user-agent"] for request in llm.requests]
    assert [agent.partition("/")[0] for agent in agents] == ["OpenAI", "Anthropic"]
    assert [span.attributes["server.address"] for span in captured.spans] == ["127.0.0.1", "127.0.0.1"]
    assert int(openai.__version__.partition(".")[0]) <= 3
    assert int(anthropic.__version__.partition(".")[0]) <= 2
    oldest = (ROOT / "tests/matrix/oldest.txt").read_text()
    declared = (ROOT / "pyproject.toml").read_text()
    assert "openai==1.66.0" in oldest
    assert '"openai>=1.66,<4"' in declared


def test_26_a_prompt_of_20_mb_is_lost_nowhere(clients, llm, tmp_path, monkeypatch) -> None:
    """The store keeps it byte for byte; a backend that refuses it gets the rest of it, which says what is cut."""
    large = "äx" * (7 * MB)
    with FakeCollector(max_bytes=4 * MB) as collector:
        for name, value in collector.environment().items():
            monkeypatch.setenv(name, value)
        rlhf.instrument(store=str(tmp_path / "calls.db"))
        answers = [
            clients["openai", "sync"].chat.completions.create(
                model="m", messages=[{"role": "user", "content": words}]
            )
            for words in ("before", large, "after")
        ]  # fmt: skip
        assert rlhf.flush(60)
        arrived = [json.loads(span.attributes["gen_ai.input.messages"]) for span in collector.spans]
    said_ = sorted((message[0]["parts"][0]["content"] for message in arrived), key=len)
    assert said_[:2] == ["after", "before"]
    assert said_[2].endswith("characters cut]")
    with Store.open(tmp_path / "calls.db", read_only=True) as store:
        kept = store.interaction(rlhf.handle(answers[1]).span_id)
    assert kept.input[0]["parts"][0]["content"] == large


def test_27_media_go_by_their_hash_and_text_stays(clients, llm, captured) -> None:
    """A picture, a sound and a document are named by hash, type and size; the words beside them are whole."""
    data = base64.b64encode(bytes(30_000)).decode()
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        {"type": "input_audio", "input_audio": {"data": data, "format": "mp3"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{data}"}},
        {"type": "text", "text": "And that?"},
    ]
    clients["openai", "sync"].chat.completions.create(model="m", messages=[{"role": "user", "content": content}])
    (span,) = captured.spans
    first, *media, last = json.loads(span.attributes["gen_ai.input.messages"])[0]["parts"]
    assert (first["content"], last["content"]) == ("What is this?", "And that?")
    assert [part["mime_type"] for part in media] == ["image/png", "audio/mp3", "application/pdf"]
    assert {part["uri"][:7] for part in media} == {"sha256:"}
    assert {part["byte_size"] for part in media} == {30_000}
    assert len(span.attributes["gen_ai.input.messages"]) < 2000


@pytest.mark.parametrize("reader", ["request", "response"])
def test_32_a_fault_of_ours_is_ours(reader, clients, llm, lenient, monkeypatch, caplog) -> None:
    """Whatever breaks in us, the result is the same; there is one line and a count. Every hook: `test_errors.py`."""

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("ours")

    llm.script(Reply(text="Paris."))
    monkeypatch.setattr(readers.Chat, reader, broken)
    faults = hooks.counters["faults"]
    answer = clients["openai", "sync"].chat.completions.create(**ASK)
    assert answer.choices[0].message.content == "Paris."
    assert hooks.counters["faults"] == faults + 1
    lines = [record for record in caplog.records if record.name == "rlhf_otel" and record.levelno >= logging.WARNING]
    assert len(lines) == 1


NAMES = {
    "https://api.openai.com/v1": "openai", "https://api.deepseek.com": "deepseek",
    "https://api.groq.com/openai/v1": "groq", "https://openrouter.ai/api/v1": "openrouter",
    "https://api.together.xyz/v1": "together", "https://api.mistral.ai/v1": "mistral_ai",
    "https://api.x.ai/v1": "x_ai", "http://localhost:11434/v1": "ollama",
}  # fmt: skip


@pytest.mark.parametrize("url", NAMES)
def test_33_compatible_services_have_their_names_and_reasoning(url, captured) -> None:
    """Who answers is named by the base URL; reasoning that OpenAI does not know is kept, new fields are no fault."""
    http = sys.modules[openai.DefaultHttpxClient.__mro__[-2].__module__.partition(".")[0]]
    message = {"role": "assistant", "content": "Paris.", "reasoning_content": "well", "novelty": {"deep": [1]}}
    choice = {"index": 0, "finish_reason": "stop", "message": message, "novelty": 1}
    body = {"id": "a", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "novelty": None}
    transport = http.MockTransport(lambda request: http.Response(200, json=body))
    with openai.OpenAI(base_url=url, api_key="k", http_client=http.Client(transport=transport)) as client:
        client.chat.completions.create(**ASK)
    (span,) = captured.spans
    assert span.attributes["gen_ai.provider.name"] == NAMES[url]
    parts = json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"]
    assert [part["content"] for part in parts] == ["well", "Paris."]


@pytest.mark.parametrize("when", ["before", "after"])
def test_34_the_applications_provider_is_its_own(when, clients, llm, provider, exporter, tmp_path, monkeypatch) -> None:
    """A provider that the application sets, before or after us, stays and gets the span."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider if when == "before" else None)
    rlhf.instrument()
    if when == "after":
        assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    clients["openai", "sync"].chat.completions.create(**ASK)
    assert trace.get_tracer_provider() is provider
    assert isinstance(provider, TracerProvider)
    assert [span.name for span in exporter.get_finished_spans()] == ["chat m"]
    setup.shutdown()
    assert not (tmp_path / ".rlhf-otel").exists()
