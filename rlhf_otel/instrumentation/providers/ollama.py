"""ollama 0: chat, generate and embeddings.

All methods, also the functions of the module that were bound when it was imported, come by the client's `_request`,
which has the JSON that goes over the wire: functions as tools and pictures as base64 by then.

Sources: the types of ollama 0.6; the API's page on streaming, by which the counts stand in the last chunk.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation import parts
from rlhf_otel.instrumentation.methods import Arguments, Described, Method, server
from rlhf_otel.instrumentation.providers.plain import Plain

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.endpoint import Endpoint
    from rlhf_otel.records import Message, Part

_OPTIONS = {
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "top_k": semconv.REQUEST_TOP_K,
    "num_predict": semconv.REQUEST_MAX_TOKENS,
    "seed": semconv.REQUEST_SEED,
    "presence_penalty": semconv.REQUEST_PRESENCE_PENALTY,
    "frequency_penalty": semconv.REQUEST_FREQUENCY_PENALTY,
}


class _Answer:
    """An answer, whole or streamed: the pieces of its thinking and text, and its tool calls."""

    __slots__ = ("text", "thinking", "tools")

    def __init__(self) -> None:
        self.thinking: list[str] = []
        self.text: list[str] = []
        self.tools: list[Part] = []

    def add(self, call: Call, thinking: str | None, text: str | None, tools: Any) -> None:
        """Keeps what a chunk brings, and notes the time of the first token or thought."""
        for tool in tools or ():
            self.tools.append(parts.tool_call(None, tool.function.name, dict(tool.function.arguments)))
        if thinking:
            parts.gather(self.thinking, thinking)
        if text:
            parts.gather(self.text, text)
        if call.stream and thinking:
            call.reasoning()
        if call.stream and (text or tools):
            call.token()

    def parts(self) -> list[Part]:
        """What was gathered, in the order in which a model makes it."""
        made = [parts.reasoning("".join(self.thinking))] if self.thinking else []
        made += [parts.text("".join(self.text))] if self.text else []
        return made + self.tools


class Chat:
    """`/api/chat`."""

    operation = "chat"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the options, the messages and the tools."""
        asked = body["json"]
        _read_options(call, asked)
        call.input = [_message(m) for m in asked.get("messages") or ()]
        functions = [tool.get("function") or {} for tool in asked.get("tools") or ()]
        call.tools = [parts.function_tool(f.get("name"), f.get("description"), f.get("parameters")) for f in functions]

    def response(self, call: Call, result: Any) -> None:
        """Reads the answer, which has the form of a stream's only chunk."""
        state = self.new_state()
        self.chunk(call, state, result)
        self.end(call, state)

    def new_state(self) -> _Answer:
        """The answer so far."""
        return _Answer()

    def chunk(self, call: Call, state: _Answer, chunk: Any) -> None:
        """Reads a chunk; the last one has the counts."""
        self.read(call, state, chunk)
        if chunk.done:
            call.complete = True
            call.response_model = chunk.model
            call.input_tokens, call.output_tokens = chunk.prompt_eval_count, chunk.eval_count
            call.finish_reasons = [chunk.done_reason] if chunk.done_reason else []

    def read(self, call: Call, state: _Answer, chunk: Any) -> None:
        """Reads the message of a chunk."""
        message = chunk.message
        state.add(call, getattr(message, "thinking", None), message.content, message.tool_calls)

    def end(self, call: Call, state: _Answer) -> None:
        """Joins the pieces."""
        reason = call.finish_reasons[0] if call.finish_reasons else None
        call.output = [parts.message("assistant", state.parts(), reason)]


class Generate(Chat):
    """`/api/generate`, which has no roles."""

    operation = "text_completion"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the options, the system prompt, the prompt with its pictures, and what is to follow the answer."""
        asked = body["json"]
        _read_options(call, asked)
        call.system = [parts.text(asked["system"])] if asked.get("system") else None
        call.input = [_message({"role": "user", "content": asked.get("prompt"), "images": asked.get("images")})]
        if asked.get("suffix"):
            call.input.append(parts.message("user", [parts.text(asked["suffix"])]))

    def read(self, call: Call, state: _Answer, chunk: Any) -> None:
        """Reads the text of a chunk."""
        state.add(call, getattr(chunk, "thinking", None), chunk.response, None)


class Embed(Plain):
    """`/api/embed`, and `/api/embeddings` which takes one text."""

    operation = "embeddings"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the options and the texts."""
        asked = body["json"]
        _read_options(call, asked)
        given = asked.get("input", asked.get("prompt"))
        texts = given if isinstance(given, list) else [given]
        call.input = [parts.message("user", [parts.text(text)]) for text in texts if text]
        if (dimensions := asked.get("dimensions")) is not None:
            call.attributes[semconv.EMBEDDINGS_DIMENSION_COUNT] = dimensions

    def response(self, call: Call, result: Any) -> None:
        """Reads the dimensions and the count; the vectors stay with the application."""
        vectors = getattr(result, "embeddings", None) or [getattr(result, "embedding", None) or ()]
        if vectors[0]:
            call.attributes[semconv.EMBEDDINGS_DIMENSION_COUNT] = len(vectors[0])
        call.response_model = getattr(result, "model", None)
        call.input_tokens = getattr(result, "prompt_eval_count", None)


def _read_options(call: Call, asked: Mapping[str, Any]) -> None:
    options = asked.get("options") or {}
    for name, key in _OPTIONS.items():
        if (value := options.get(name)) is not None:
            call.attributes[key] = value
    if stop := options.get("stop"):
        call.attributes[semconv.REQUEST_STOP_SEQUENCES] = [stop] if isinstance(stop, str) else list(stop)
    if isinstance(level := asked.get("think"), str):
        call.attributes[semconv.REQUEST_REASONING_LEVEL] = level
    if asked.get("format"):
        call.attributes[semconv.OUTPUT_TYPE] = "json"


def _message(m: Mapping[str, Any]) -> Message:
    role, content = str(m.get("role", "")), m.get("content")
    if role == "tool":
        return parts.message("tool", [parts.tool_response(m.get("tool_name") or m.get("tool_call_id"), content)])
    made = [parts.reasoning(m["thinking"])] if m.get("thinking") else []
    made += [parts.text(content)] if content else []
    made += [parts.media("image", image) for image in m.get("images") or ()]
    functions = [tool.get("function") or {} for tool in m.get("tool_calls") or ()]
    made += [parts.tool_call(None, function.get("name"), function.get("arguments")) for function in functions]
    return parts.message(role, made)


_ENDPOINTS: Mapping[str, Endpoint] = {
    "/api/chat": Chat(),
    "/api/generate": Generate(),
    "/api/embed": Embed(),
    "/api/embeddings": Embed(),
}


def _endpoint(instance: Any, given: Arguments) -> Endpoint | None:
    """The readers of a request, by its path."""
    path = given["args"][1] if len(given.get("args") or ()) > 1 else ""
    return _ENDPOINTS.get(path) if isinstance(given.get("json"), Mapping) else None


class Ollama:
    """The provider."""

    package = "ollama"
    versions = (0, 0)
    methods = tuple(
        Method(target=f"ollama._client:{cls}._request", endpoint=_endpoint, stream="stream")
        for cls in ("Client", "AsyncClient")
    )

    def describe(self, instance: Any, arguments: Arguments) -> Described:
        """Ollama, wherever it runs."""
        url = str(instance._client.base_url)
        return Described(provider="ollama", model=arguments["json"].get("model"), attributes=server(url))

    def raised(self, call: Call, error: BaseException) -> None:
        """Reads status and message of what was refused; a gateway's message may be within an object."""
        status, said = getattr(error, "status_code", None), getattr(error, "error", None)
        call.status_code = status if isinstance(status, int) and status > 0 else None
        message = said.get("message") if isinstance(said, Mapping) else said
        if isinstance(message, str):
            call.failure = (type(error).__qualname__, message)


provider = Ollama()
