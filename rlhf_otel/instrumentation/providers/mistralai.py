"""mistralai 2 and 3: chat, agents, fill-in-the-middle and embeddings, in the wire format of OpenAI but for a few words.

Content may be a list of chunks, thinking among them, and the arguments of a tool an object. The SDK can trace itself by
the global provider; for the calls that are recorded here it does not, as one call is one span. A provider that the
application has given to the SDK alone is left its spans.

Sources: the types and the tracing hook of mistralai 3.7.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation import under_way
from rlhf_otel.instrumentation.bodies import lenient
from rlhf_otel.instrumentation.methods import Arguments, Described, Method, server
from rlhf_otel.instrumentation.providers.openai import Chat, Embeddings

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.endpoint import Endpoint


class MistralChat(Chat):
    """`chat` and `agents`."""

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads what is asked, in OpenAI's words."""
        given = body.get("messages")
        messages = [_openai_message(m) for m in given if isinstance(m, Mapping)] if isinstance(given, list) else []
        super().request(call, {**body, "messages": messages, "seed": body.get("random_seed")})
        del call.attributes[semconv.OPENAI_API_TYPE]
        if agent := body.get("agent_id"):
            call.attributes[semconv.AGENT_ID] = agent

    def response(self, call: Call, result: Any) -> None:
        """Reads the answer, in OpenAI's words."""
        super().response(call, _openai(result, "message"))

    def chunk(self, call: Call, state: Any, chunk: Any) -> None:
        """Reads one event; most carry a piece of text, and need no other words."""
        data = chunk.data
        if any(type(choice.delta.content) is list or choice.delta.tool_calls for choice in data.choices or ()):
            data = _openai(data, "delta")
        super().chunk(call, state, data)


class Fim(MistralChat):
    """`fim`: a completion between a prompt and a suffix, answered like a chat."""

    operation = "text_completion"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the prompt, and what is to follow the answer as a message of its own."""
        texts = [text for text in (body.get("prompt"), body.get("suffix")) if text]
        super().request(call, {**body, "messages": [{"role": "user", "content": text} for text in texts]})


class MistralEmbeddings(Embeddings):
    """`embeddings`."""

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the texts."""
        super().request(call, {"input": body.get("inputs"), "dimensions": body.get("output_dimension")})


# --- In OpenAI's words --------------------------------------------------------------------------------------------


def _openai(result: Any, field: str) -> Any:
    """A response or chunk whose messages, in `field`, have text, reasoning and arguments where OpenAI has them."""
    dumped = result.model_dump(mode="json", warnings=False)
    for choice in dumped.get("choices") or ():
        message = choice.get(field) or {}
        if isinstance(message.get("content"), list):
            text, reasoning = _split(message["content"])
            message.update(content=text, reasoning_content=reasoning)
        for tool in message.get("tool_calls") or ():
            function = tool.get("function") or {}
            if isinstance(function.get("arguments"), Mapping):
                function["arguments"] = json.dumps(function["arguments"])
    return lenient(json.dumps(dumped).encode())


def _split(chunks: list[Any]) -> tuple[str, str]:
    """The text and the thinking of a list of chunks."""
    text = "".join(chunk.get("text") or "" for chunk in chunks if chunk.get("type") == "text")
    thoughts = [part for chunk in chunks if chunk.get("type") == "thinking" for part in chunk.get("thinking") or ()]
    return text, "".join(part.get("text") or "" for part in thoughts)


def _openai_message(m: Mapping[str, Any]) -> Mapping[str, Any]:
    content = m.get("content")
    if not isinstance(content, list):
        return m
    _, reasoning = _split([chunk for chunk in content if isinstance(chunk, Mapping)])
    kept = [
        _openai_part(chunk) for chunk in content if not isinstance(chunk, Mapping) or chunk.get("type") != "thinking"
    ]
    return {**m, "content": kept, "reasoning_content": reasoning}


def _openai_part(chunk: Mapping[str, Any]) -> Mapping[str, Any]:
    kind = chunk.get("type")
    if kind == "input_audio" and isinstance(chunk["input_audio"], str):
        return {"type": "input_audio", "input_audio": {"data": chunk["input_audio"]}}
    if kind == "document_url":
        return {"type": "file", "file": {"file_data": chunk["document_url"]}}
    if kind == "file":
        return {"type": "file", "file": {"file_id": chunk.get("file_id")}}
    return chunk


# --- The SDK ------------------------------------------------------------------------------------------------------


def _untraced(original: Callable[..., Any]) -> Callable[..., Any]:
    """What the SDK's hook asks for a tracer: none by the global provider while a call of ours is under way."""

    @functools.wraps(original)
    def tracer(*args: Any, **kwargs: Any) -> Any:
        is_enabled, made = original(*args, **kwargs)
        is_global = not any(given is not None for given in (*args, *kwargs.values()))
        return is_enabled and not (is_global and under_way.current.get() is not None), made

    return tracer


def _methods() -> tuple[Method, ...]:
    chat, fim = MistralChat(), Fim()
    streamed: dict[str, Endpoint] = {"chat:Chat": chat, "agents:Agents": chat, "fim:Fim": fim}
    made = [
        Method(
            target=f"mistralai.client.{place}.{name}{suffix}",
            endpoint=endpoint,
            stream=name == "stream",
            inner="generator" if name == "stream" else None,
        )
        for place, endpoint in streamed.items()
        for name in ("complete", "stream")
        for suffix in ("", "_async")
    ]
    embeddings = MistralEmbeddings()
    made += [
        Method(target=f"mistralai.client.embeddings:Embeddings.{name}", endpoint=embeddings)
        for name in ("create", "create_async")
    ]
    return tuple(made)


class MistralAI:
    """The provider."""

    package = "mistralai"
    versions = (2, 3)
    methods = _methods()
    also: Mapping[str, Callable[[Any], Any]] = {"mistralai.client._hooks.tracing:get_or_create_otel_tracer": _untraced}

    def describe(self, instance: Any, arguments: Arguments) -> Described:
        """Mistral, wherever it is served."""
        url = arguments.get("server_url") or self.client_of(instance).get_server_details()[0]
        return Described(provider="mistral_ai", model=arguments.get("model"), attributes=server(url))

    def client_of(self, instance: Any) -> Any:
        """What all parts of a client share."""
        return instance.sdk_configuration


provider = MistralAI()
