"""The floor that everything is held against: a wrapper as one would write it by hand for one client and one method.

It is what a careful engineer gets away with, no more: one span of the OpenTelemetry SDK, twelve attributes, the
messages in the shape of the GenAI conventions, encoded by pydantic_core, one time stamp for each chunk, the text joined
at the end, rate and time to first token computed. It knows the plain path only. It has no redaction, no error handling,
no early end of a stream, no tools, no second choice, no context, no metrics, no feedback and no way to switch it off.

A call has server address and port among its twelve attributes; a stream has time to first token and rate in their
place.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

from opentelemetry.trace import SpanKind
from pydantic_core import to_json

_clock = time.perf_counter_ns


def instrument_openai(client: Any, tracer: Any) -> None:
    """Wraps `chat.completions.create` of this client."""
    completions = client.chat.completions
    completions.create = _wrapped(completions.create, tracer, "openai", client, OpenAIText)


def instrument_async_openai(client: Any, tracer: Any) -> None:
    """The same for an asynchronous client."""
    completions = client.chat.completions
    completions.create = _wrapped_async(completions.create, tracer, "openai", client, OpenAIText)


def instrument_anthropic(client: Any, tracer: Any) -> None:
    """Wraps `messages.create` of this client."""
    client.messages.create = _wrapped(client.messages.create, tracer, "anthropic", client, AnthropicText)


def instrument_async_anthropic(client: Any, tracer: Any) -> None:
    """The same for an asynchronous client."""
    client.messages.create = _wrapped_async(client.messages.create, tracer, "anthropic", client, AnthropicText)


def _wrapped(create: Callable[..., Any], tracer: Any, provider: str, client: Any, reader: Any) -> Callable[..., Any]:
    address, port = client.base_url.host, client.base_url.port or 443

    def wrapped(**kwargs: Any) -> Any:
        started = _clock()
        span = _start(tracer, provider, kwargs)
        if kwargs.get("stream"):
            return reader.watch(create(**kwargs), span, started)
        response = create(**kwargs)
        span.set_attributes({**reader.response(response), "server.address": address, "server.port": port})
        span.end()
        return response

    return wrapped


def _wrapped_async(
    create: Callable[..., Any], tracer: Any, provider: str, client: Any, reader: Any
) -> Callable[..., Any]:
    address, port = client.base_url.host, client.base_url.port or 443

    async def wrapped(**kwargs: Any) -> Any:
        started = _clock()
        span = _start(tracer, provider, kwargs)
        if kwargs.get("stream"):
            return reader.watch_async(await create(**kwargs), span, started)
        response = await create(**kwargs)
        span.set_attributes({**reader.response(response), "server.address": address, "server.port": port})
        span.end()
        return response

    return wrapped


def _start(tracer: Any, provider: str, kwargs: Mapping[str, Any]) -> Any:
    model = kwargs["model"]
    return tracer.start_span(
        f"chat {model}",
        kind=SpanKind.CLIENT,
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
            "gen_ai.input.messages": _json([_message(m["role"], m["content"]) for m in kwargs["messages"]]),
        },
    )


def _message(role: str, text: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}], **more}


def _json(messages: Sequence[Any]) -> str:
    return to_json(messages).decode()


def _end(span: Any, started: int, stamps: list[int], first: int, texts: list[str], **found: Any) -> None:
    """Ends the span of a stream."""
    first_token, end = stamps[first], _clock()
    span.set_attributes(
        {
            "gen_ai.response.id": found["id"],
            "gen_ai.response.model": found["model"],
            "gen_ai.response.finish_reasons": [found["reason"]],
            "gen_ai.usage.input_tokens": found["read"],
            "gen_ai.usage.output_tokens": found["written"],
            "gen_ai.output.messages": _json([_message("assistant", "".join(texts), finish_reason=found["reason"])]),
            "rlhf.response.time_to_first_token": (first_token - started) / 1e9,
            "rlhf.response.output_tokens_per_second": found["written"] / ((end - first_token) / 1e9),
        }
    )
    span.end()


class OpenAIText:
    """Reads chat completions of one choice without tools."""

    @staticmethod
    def response(response: Any) -> dict[str, Any]:
        """The attributes of a response."""
        choice, usage = response.choices[0], response.usage
        return {
            "gen_ai.response.id": response.id,
            "gen_ai.response.model": response.model,
            "gen_ai.response.finish_reasons": [choice.finish_reason],
            "gen_ai.usage.input_tokens": usage.prompt_tokens,
            "gen_ai.usage.output_tokens": usage.completion_tokens,
            "gen_ai.output.messages": _json(
                [_message("assistant", choice.message.content, finish_reason=choice.finish_reason)]
            ),
        }

    @staticmethod
    def watch(stream: Any, span: Any, started: int) -> Iterator[Any]:
        """Yields the chunks and ends the span behind the last one."""
        stamps: list[int] = []
        texts: list[str] = []
        first, reason, usage, chunk = 0, "", None, None
        for chunk in stream:
            stamps.append(_clock())
            if choices := chunk.choices:
                choice = choices[0]
                if content := choice.delta.content:
                    if not texts:
                        first = len(stamps) - 1
                    texts.append(content)
                elif choice.finish_reason:
                    reason = choice.finish_reason
            elif chunk.usage:
                usage = chunk.usage
            yield chunk
        OpenAIText._end(span, started, stamps, first, texts, chunk, reason, usage)

    @staticmethod
    async def watch_async(stream: Any, span: Any, started: int) -> AsyncIterator[Any]:
        """The same for an asynchronous stream."""
        stamps: list[int] = []
        texts: list[str] = []
        first, reason, usage, chunk = 0, "", None, None
        async for chunk in stream:
            stamps.append(_clock())
            if choices := chunk.choices:
                choice = choices[0]
                if content := choice.delta.content:
                    if not texts:
                        first = len(stamps) - 1
                    texts.append(content)
                elif choice.finish_reason:
                    reason = choice.finish_reason
            elif chunk.usage:
                usage = chunk.usage
            yield chunk
        OpenAIText._end(span, started, stamps, first, texts, chunk, reason, usage)

    @staticmethod
    def _end(
        span: Any, started: int, stamps: list[int], first: int, texts: list[str], last: Any, reason: str, usage: Any
    ) -> None:
        counts = {"read": usage.prompt_tokens, "written": usage.completion_tokens}
        _end(span, started, stamps, first, texts, id=last.id, model=last.model, reason=reason, **counts)


class AnthropicText:
    """Reads messages of one text block."""

    @staticmethod
    def response(response: Any) -> dict[str, Any]:
        """The attributes of a response."""
        usage = response.usage
        return {
            "gen_ai.response.id": response.id,
            "gen_ai.response.model": response.model,
            "gen_ai.response.finish_reasons": [response.stop_reason],
            "gen_ai.usage.input_tokens": usage.input_tokens,
            "gen_ai.usage.output_tokens": usage.output_tokens,
            "gen_ai.output.messages": _json(
                [_message("assistant", response.content[0].text, finish_reason=response.stop_reason)]
            ),
        }

    @staticmethod
    def watch(stream: Any, span: Any, started: int) -> Iterator[Any]:
        """Yields the events and ends the span behind the last one."""
        stamps: list[int] = []
        texts: list[str] = []
        first, begun, ended = 0, None, None
        for event in stream:
            stamps.append(_clock())
            kind = event.type
            if kind == "content_block_delta":
                if not texts:
                    first = len(stamps) - 1
                texts.append(event.delta.text)
            elif kind == "message_start":
                begun = event.message
            elif kind == "message_delta":
                ended = event
            yield event
        AnthropicText._end(span, started, stamps, first, texts, begun, ended)

    @staticmethod
    async def watch_async(stream: Any, span: Any, started: int) -> AsyncIterator[Any]:
        """The same for an asynchronous stream."""
        stamps: list[int] = []
        texts: list[str] = []
        first, begun, ended = 0, None, None
        async for event in stream:
            stamps.append(_clock())
            kind = event.type
            if kind == "content_block_delta":
                if not texts:
                    first = len(stamps) - 1
                texts.append(event.delta.text)
            elif kind == "message_start":
                begun = event.message
            elif kind == "message_delta":
                ended = event
            yield event
        AnthropicText._end(span, started, stamps, first, texts, begun, ended)

    @staticmethod
    def _end(span: Any, started: int, stamps: list[int], first: int, texts: list[str], begun: Any, ended: Any) -> None:
        counts = {"read": begun.usage.input_tokens, "written": ended.usage.output_tokens}
        reason = ended.delta.stop_reason
        _end(span, started, stamps, first, texts, id=begun.id, model=begun.model, reason=reason, **counts)
