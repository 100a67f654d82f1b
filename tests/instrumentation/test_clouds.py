"""Clients that go through a cloud: named as that cloud, one span per call, read as any other, streams included."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

from rlhf_otel.testing import Reply, Usage

from .routing import rerouted
from .shapes import each, entered, settle

MESSAGES: Any = [{"role": "user", "content": "Capital of France?"}]
BODY: Any = {"model": "claude", "max_tokens": 9, "messages": MESSAGES}
AWS = {"aws_access_key": "k", "aws_secret_key": "s", "aws_region": "us-east-1"}

ANTHROPIC: dict[str, tuple[str, str, Callable[[str], dict[str, Any]], str]] = {
    "Bedrock": ("aws.bedrock", "", lambda url: {**AWS, "base_url": url}, "/model/claude/invoke"),
    "BedrockMantle": ("aws.bedrock", "", lambda url: {"api_key": "k", "base_url": f"{url}/anthropic"},
                      "/anthropic/v1/messages"),
    "Vertex": ("gcp.vertex_ai", "claude@1",
               lambda url: {"region": "r", "project_id": "p", "access_token": "t", "base_url": f"{url}/v1"},
               "/v1/projects/p/locations/r/publishers/anthropic/models/claude@1:rawPredict"),
    "Foundry": ("azure.ai.inference", "", lambda url: {"api_key": "k", "base_url": f"{url}/anthropic/"},
                "/anthropic/v1/messages"),
    "GoogleCloud": ("anthropic", "", lambda url: {"skip_auth": True, "base_url": url}, "/v1/messages"),
    "AWS": ("anthropic", "", lambda url: {**AWS, "workspace_id": "w", "base_url": url}, "/v1/messages"),
}  # fmt: skip
"""Name of the client's class -> provider, a model that is spelt its way, its options, and the path that it calls."""
OPTIONAL = {"Bedrock": "boto3", "AWS": "boto3"}


def is_async(kind: str) -> str:
    """How the class of the client begins."""
    return "Async" if kind == "async" else ""


@pytest.fixture(scope="session")
def transports(server, loop):
    """An HTTP client of each kind for each SDK."""
    made = {(sdk, kind): rerouted(sdk, server, asynchronous=kind == "async")
            for sdk in ("anthropic", "openai") for kind in ("sync", "async")}  # fmt: skip
    yield made
    for (_, kind), client in made.items():
        if kind == "sync":
            client.close()
        else:
            loop.run_until_complete(client.aclose())


@pytest.fixture
def client(kind, cloud, llm, transports):
    """A client of the cloud; skipped where this version of the SDK, or what it needs, is not there."""
    if cloud in OPTIONAL:
        pytest.importorskip(OPTIONAL[cloud])
    found = getattr(anthropic, f"{is_async(kind)}Anthropic{cloud}", None)
    if found is None:
        pytest.skip(f"anthropic {anthropic.__version__} has no client for {cloud}")
    return found(**ANTHROPIC[cloud][2](llm.url), max_retries=0, http_client=transports["anthropic", kind])


kinds = pytest.mark.parametrize("kind", ["sync", "async"])
each_cloud = pytest.mark.parametrize("cloud", ANTHROPIC)
REPLY = Reply(text="Paris.", id="msg-1", reasoning="Hm.", usage=Usage(input=5, output=3, cached=2))


def check(span: Any, cloud: str, model: str) -> None:
    """The span tells all of the call: who, what was asked and answered, and the usage."""
    a = span.attributes
    assert (span.name, a["gen_ai.provider.name"], a["gen_ai.response.id"]) == (
        f"chat {model}", ANTHROPIC[cloud][0], "msg-1")  # fmt: skip
    assert (a["gen_ai.usage.input_tokens"], a["gen_ai.usage.output_tokens"]) == (7, 3)
    assert json.loads(a["gen_ai.input.messages"])[0]["parts"][0]["content"] == "Capital of France?"
    (answer,) = json.loads(a["gen_ai.output.messages"])
    assert [part["content"] for part in answer["parts"]] == ["Hm.", "Paris."]
    assert a["gen_ai.request.max_tokens"] == 9


@kinds
@each_cloud
def test_answers_of_clouds(kind: str, cloud: str, client, llm, captured, run) -> None:
    """A plain call, at whatever path the client makes of it."""
    model = ANTHROPIC[cloud][1] or "claude"
    llm.script(REPLY)

    async def ask() -> Any:
        return await settle(client.messages.create(**{**BODY, "model": model}))

    assert run(kind, ask()).content[1].text == "Paris."
    (span,) = captured.spans
    check(span, cloud, model)
    assert llm.requests[0].path == ANTHROPIC[cloud][3]


@kinds
@each_cloud
@pytest.mark.parametrize("way", ["create", "helper", "beta"])
def test_streams_of_clouds(kind: str, cloud: str, way: str, client, llm, captured, run) -> None:
    """A stream, in whatever framing, is observed event by event, whichever method opens it."""
    model = ANTHROPIC[cloud][1] or "claude"
    body = {**BODY, "model": model}
    llm.script(REPLY)

    async def ask() -> str:
        if way == "helper":
            async with entered(client.messages.stream(**body)) as stream:
                return await settle(stream.get_final_text())
        method = client.beta.messages.create if way == "beta" else client.messages.create
        events = [event async for event in each(await settle(method(**body, stream=True)))]
        return "".join(event.delta.text for event in events
                       if event.type == "content_block_delta" and event.delta.type == "text_delta")  # fmt: skip

    assert run(kind, ask()) == "Paris."
    (span,) = captured.spans
    check(span, cloud, model)
    a = span.attributes
    assert (a["rlhf.stream.end"], a["rlhf.stream.chunks"]) == ("completed", 10)
    assert 0 < a["rlhf.response.time_to_first_reasoning"] <= a["rlhf.response.time_to_first_token"]


@kinds
@pytest.mark.parametrize("cloud", ["Bedrock"])
def test_a_framed_stream_that_turns_into_an_error(kind: str, cloud: str, client, llm, captured, run) -> None:
    """Bedrock's frame for an exception is an error of the span, with what came before it."""
    llm.script(Reply(chunks=["Par", "is", "."], malformed="error_event", error="overloaded"))

    async def ask() -> None:
        async for _ in each(await settle(client.messages.create(**BODY, stream=True))):
            pass

    with pytest.raises(anthropic.APIStatusError):
        run(kind, ask())
    (span,) = captured.spans
    assert (span.status.status_code.name, span.attributes["rlhf.stream.end"]) == ("ERROR", "error")
    assert json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"][0]["content"] == "Par"


@kinds
@pytest.mark.parametrize("cloud", ["Bedrock"])
def test_a_framed_stream_that_is_left(kind: str, cloud: str, client, llm, captured, run) -> None:
    """A stream of Bedrock that the application closes early is abandoned, with what it has read."""
    llm.script(Reply(chunks=["Par", "is", "."]))

    async def ask() -> None:
        stream = await settle(client.messages.create(**BODY, stream=True))
        async for event in each(stream):
            if event.type == "content_block_delta":
                break
        await settle(stream.close())

    run(kind, ask())
    (span,) = captured.spans
    assert (span.status.status_code.name, span.attributes["rlhf.stream.end"]) == ("UNSET", "abandoned")


@kinds
@pytest.mark.parametrize("cloud", ["Vertex"])
def test_counting_through_vertex(kind: str, cloud: str, client, llm, captured, run) -> None:
    """Counting tokens goes to a path of its own, and is named as the cloud."""
    if not hasattr(client.messages, "count_tokens"):
        pytest.skip(f"anthropic {anthropic.__version__} counts no tokens")
    llm.script(Reply(usage=Usage(input=14)))

    async def ask() -> Any:
        return await settle(client.messages.count_tokens(model="claude", messages=MESSAGES))

    assert run(kind, ask()).input_tokens == 14
    (span,) = captured.spans
    assert (span.name, span.attributes["gen_ai.provider.name"]) == ("count_tokens claude", "gcp.vertex_ai")


def test_a_class_of_the_application_is_named_as_what_it_derives_from(llm, transports, captured) -> None:
    """A subclass of a cloud's client has the cloud's name, whatever it is called."""

    class Mine(anthropic.AnthropicVertex):
        """Of the application."""

    http = transports["anthropic", "sync"]
    client = Mine(region="r", project_id="p", access_token="t", base_url=llm.url, http_client=http)
    client.messages.create(**BODY)
    (span,) = captured.spans
    assert span.attributes["gen_ai.provider.name"] == "gcp.vertex_ai"


# --- openai -------------------------------------------------------------------------------------------------------


def openai_client(which: str, kind: str, http: Any) -> Any:
    """A client of openai for a cloud, all of whose requests go to the fake provider."""
    options: dict[str, Any] = {"http_client": http, "max_retries": 0}
    plain = getattr(openai, f"{is_async(kind)}OpenAI")
    azure = getattr(openai, f"{is_async(kind)}AzureOpenAI")
    if which == "azure":
        return azure(azure_endpoint="https://shop.openai.azure.com", api_version="v", api_key="k", **options)
    if which == "azure-deployment":
        return azure(azure_endpoint="https://shop.openai.azure.com", azure_deployment="mine", api_version="v",
                     api_key="k", **options)  # fmt: skip
    if which == "azure-gateway":
        return azure(base_url="https://gateway.example/openai/v1", api_version="v", api_key="k", **options)
    if which == "azure-v1":
        return plain(base_url="https://shop.openai.azure.com/openai/v1/", api_key="k", **options)
    if which == "bedrock-class":
        made = getattr(openai, f"{is_async(kind)}BedrockOpenAI", None)
        return made(api_key="k", aws_region="us-east-1", **options) if made else pytest.skip("not in this version")
    try:
        cloud = importlib.import_module(f"openai.providers.{which}")
    except ImportError:
        pytest.skip(f"openai {openai.__version__} has no providers")
    if which == "vertex":
        made = cloud.vertex(base_url="https://vertex.example/v1", token_provider=lambda: "t")
    else:  # openai 2 knows one endpoint only, and no name for it
        named = {"endpoint": "mantle"} if "endpoint" in inspect.signature(cloud.bedrock).parameters else {}
        made = cloud.bedrock(region="us-east-1", api_key="k", **named)
    return plain(provider=made, **options)


OPENAI = {
    "azure": ("azure.ai.openai", "shop.openai.azure.com", "/openai/deployments/gpt/chat/completions"),
    "azure-deployment": ("azure.ai.openai", "shop.openai.azure.com", "/openai/deployments/mine/chat/completions"),
    "azure-gateway": ("azure.ai.openai", "gateway.example", "/openai/v1/deployments/gpt/chat/completions"),
    "azure-v1": ("azure.ai.openai", "shop.openai.azure.com", "/openai/v1/chat/completions"),
    "bedrock": ("aws.bedrock", "bedrock-mantle.us-east-1.api.aws", "/openai/v1/chat/completions"),
    "bedrock-class": ("aws.bedrock", "bedrock-mantle.us-east-1.api.aws", "/openai/v1/chat/completions"),
    "vertex": ("gcp.vertex_ai", "vertex.example", "/v1/chat/completions"),
}


@kinds
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("which", OPENAI)
def test_openai_through_clouds(which: str, kind: str, stream: bool, transports, llm, captured, run) -> None:
    """Azure with and without deployments, Bedrock and Vertex are named, and read at whatever path they are called."""
    client = openai_client(which, kind, transports["openai", kind])
    llm.script(Reply(text="Paris."))

    async def ask() -> None:
        answer = await settle(client.chat.completions.create(model="gpt", messages=MESSAGES, stream=stream))
        if stream:
            assert [chunk async for chunk in each(answer)]

    run(kind, ask())
    (span,) = captured.spans
    name, host, path = OPENAI[which]
    a = span.attributes
    assert (span.name, a["gen_ai.provider.name"], a["server.address"]) == ("chat gpt", name, host)
    assert json.loads(a["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": "Paris."}]
    assert llm.requests[0].path == path
