"""cohere 5 to 7: chat of both versions of the API, embeddings, reranking. The first one's words are in `cohere_v1`.

Sources: the types of cohere 7.3; the API's page on chat, by which a stream's usage stands in its last event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation import parts
from rlhf_otel.instrumentation.bodies import plain
from rlhf_otel.instrumentation.methods import Arguments, Described, Method, server
from rlhf_otel.instrumentation.providers.cohere_shared import given, read_finish, read_parameters, read_usage
from rlhf_otel.instrumentation.providers.cohere_v1 import ChatV1
from rlhf_otel.instrumentation.providers.plain import Plain

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.endpoint import Endpoint
    from rlhf_otel.records import Message, Part


class Chat:
    """`/v2/chat`."""

    operation = "chat"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the parameters, the messages and the tools."""
        asked = given(body)
        read_parameters(call, asked)
        call.input = [_message(m) for m in asked.get("messages") or () if isinstance(m, Mapping)]
        functions = [tool.get("function") or {} for tool in asked.get("tools") or ()]
        call.tools = [parts.function_tool(f.get("name"), f.get("description"), f.get("parameters")) for f in functions]

    def response(self, call: Call, result: Any) -> None:
        """Reads the answer and the usage."""
        call.response_id = result.id
        read_usage(call, result.usage)
        read_finish(call, result.finish_reason)
        made = [parts.reasoning(plan)] if (plan := getattr(result.message, "tool_plan", None)) else []
        made += [_part(plain(item)) for item in result.message.content or ()]
        for tool in result.message.tool_calls or ():
            made.append(parts.tool_call(tool.id, tool.function.name, tool.function.arguments))
        call.output = [parts.message("assistant", made, result.finish_reason.lower())]

    def new_state(self) -> _Streamed:
        """The pieces of the answer."""
        return _Streamed()

    def chunk(self, call: Call, state: _Streamed, chunk: Any) -> None:
        """Reads one event."""
        delta: Any = getattr(chunk, "delta", None)
        kind = chunk.type
        if kind == "content-delta":
            state.add_content(call, chunk.index, delta.message.content)
        elif kind == "tool-plan-delta":
            state.add(call, "plan", "thinking", delta.message.tool_plan)
        elif kind == "tool-call-start":
            tool = delta.message.tool_calls
            state.tools[chunk.index] = [tool.id, tool.function.name, []]
            state.add_arguments(call, chunk.index, tool.function.arguments)
        elif kind == "tool-call-delta":
            state.add_arguments(call, chunk.index, delta.message.tool_calls.function.arguments)
        elif kind == "message-start":
            call.response_id = chunk.id
            call.identified()
        elif kind == "message-end":
            call.complete = True
            read_usage(call, delta.usage)
            read_finish(call, delta.finish_reason)

    def end(self, call: Call, state: _Streamed) -> None:
        """Joins the pieces."""
        reason = call.finish_reasons[0].lower() if call.finish_reasons else None
        call.output = [parts.message("assistant", state.parts(), reason)]


class _Streamed:
    """The pieces of a streamed answer."""

    __slots__ = ("content", "tools")

    def __init__(self) -> None:
        self.content: dict[Any, tuple[str, list[str]]] = {}
        self.tools: dict[Any, list[Any]] = {}

    def add_content(self, call: Call, index: Any, content: Any) -> None:
        """Keeps a piece of text or thinking."""
        self.add(call, index, "text", content.text)
        self.add(call, (index, "thinking"), "thinking", getattr(content, "thinking", None))

    def add(self, call: Call, index: Any, kind: str, piece: str | None) -> None:
        """Keeps a piece of the content `index`, and notes its time."""
        if not piece:
            return
        parts.gather(self.content.setdefault(index, (kind, []))[1], piece)
        (call.token if kind == "text" else call.reasoning)()

    def add_arguments(self, call: Call, index: Any, piece: str | None) -> None:
        """Keeps a piece of the arguments of the tool call `index`."""
        if piece and index in self.tools:
            self.tools[index][2].append(piece)
            call.token()

    def parts(self) -> list[Part]:
        """What was gathered, in the order in which it came."""
        made = [
            (parts.text if kind == "text" else parts.reasoning)("".join(pieces))
            for kind, pieces in self.content.values()
        ]
        return made + [parts.tool_call(i, name, "".join(pieces)) for i, name, pieces in self.tools.values()]


class Embed(Plain):
    """`/v1/embed` and `/v2/embed`."""

    operation = "embeddings"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the texts and pictures, each as one message."""
        asked = given(body)
        made = [[parts.text(text)] for text in asked.get("texts") or ()]
        made += [[parts.media("image", image)] for image in asked.get("images") or ()]
        made += [[_part(item) for item in one.get("content") or ()] for one in asked.get("inputs") or ()]
        call.input = [parts.message("user", one) for one in made]
        if formats := asked.get("embedding_types"):
            call.attributes[semconv.REQUEST_ENCODING_FORMATS] = list(formats)
        if (dimensions := asked.get("output_dimension")) is not None:
            call.attributes[semconv.EMBEDDINGS_DIMENSION_COUNT] = dimensions

    def response(self, call: Call, result: Any) -> None:
        """Reads the dimensions and the usage; the vectors stay with the application."""
        call.response_id = result.id
        read_usage(call, result.meta)
        vectors = result.embeddings
        floats = vectors if isinstance(vectors, list) else getattr(vectors, "float_", None)
        if floats:
            call.attributes[semconv.EMBEDDINGS_DIMENSION_COUNT] = len(floats[0])


class Rerank(Plain):
    """`/v1/rerank` and `/v2/rerank`."""

    operation = semconv.RERANK

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the query, and the documents as parts of a message of their own."""
        documents = [one.get("text") if isinstance(one, Mapping) else one for one in body.get("documents") or ()]
        call.input = [
            parts.message("user", [parts.text(body.get("query"))]),
            parts.message("user", [parts.text(document) for document in documents]),
        ]

    def response(self, call: Call, result: Any) -> None:
        """Reads which documents came out on top, by their index."""
        call.response_id = result.id
        ranking = [{"index": one.index, "score": one.relevance_score} for one in result.results]
        call.output = [parts.message("assistant", [{"type": "ranking", "results": ranking}])]


# --- Messages -----------------------------------------------------------------------------------------------------


def _message(m: Mapping[str, Any]) -> Message:
    role, content = str(m.get("role", "")), m.get("content")
    made = [_part(item) for item in content] if isinstance(content, list) else [parts.text(content)] if content else []
    if role == "tool":
        return parts.message("tool", [parts.tool_response(m.get("tool_call_id"), made)])
    if plan := m.get("tool_plan"):
        made.insert(0, parts.reasoning(plan))
    for tool in m.get("tool_calls") or ():
        function = tool.get("function") or {}
        made.append(parts.tool_call(tool.get("id"), function.get("name"), function.get("arguments")))
    return parts.message(role, made)


def _part(item: Any) -> Part:
    kind = item.get("type") if isinstance(item, Mapping) else None
    if kind == "text":
        return parts.text(item.get("text"))
    if kind == "thinking":
        return parts.reasoning(item.get("thinking"))
    if kind == "image_url":
        held = item.get("image_url")
        return parts.media("image", held.get("url") if isinstance(held, Mapping) else held)
    return dict(item) if isinstance(item, Mapping) else parts.text(item)


# --- The SDK ------------------------------------------------------------------------------------------------------


def _methods() -> tuple[Method, ...]:
    first, second, embed, rerank = ChatV1(), Chat(), Embed(), Rerank()
    places: dict[str, Endpoint] = {"base_client:{}BaseCohere": first, "v2.client:{}V2Client": second}
    return tuple(
        Method(target=f"cohere.{place.format(kind)}.{name}", endpoint=endpoint, stream=name == "chat_stream")
        for place, chat in places.items()
        for kind in ("", "Async")
        for name, endpoint in {"chat": chat, "chat_stream": chat, "embed": embed, "rerank": rerank}.items()
    )


class Cohere:
    """The provider."""

    package = "cohere"
    versions = (5, 7)
    methods = _methods()

    def describe(self, instance: Any, arguments: Arguments) -> Described:
        """Cohere itself, or Bedrock where the client is made for it."""
        name = "aws.bedrock" if "Bedrock" in type(instance).__name__ else "cohere"
        url = self.client_of(instance).get_base_url()
        model = arguments.get("model")
        return Described(provider=name, model=model if isinstance(model, str) else None, attributes=server(url))

    def raised(self, call: Call, error: BaseException) -> None:
        """Reads status and message of what was refused; as text, such an error has all headers of the response."""
        status, body = getattr(error, "status_code", None), getattr(error, "body", None)
        call.status_code = status if isinstance(status, int) else None
        if isinstance(message := body.get("message") if isinstance(body, dict) else None, str):
            call.failure = (type(error).__qualname__, message)

    def client_of(self, instance: Any) -> Any:
        """What a client and its `v2` share."""
        own = getattr(instance, "_client_wrapper", None)
        return instance._raw_client._client_wrapper if own is None else own


provider = Cohere()
