"""openai 1 to 3: chat completions, legacy completions and embeddings. Responses are in `openai_responses`.

Sources: the request and response types of openai 1.66 and 3.52; the GenAI conventions' page on OpenAI.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation import parts
from rlhf_otel.instrumentation.bodies import Lenient, plain
from rlhf_otel.instrumentation.providers import (
    openai_audio,
    openai_batches,
    openai_decisions,
    openai_images,
    openai_stored,
    openai_usage,
    takers,
)
from rlhf_otel.instrumentation.providers.hosts import OPENAI_CLIENTS, provider_name
from rlhf_otel.instrumentation.providers.openai_dialects import (
    read_last_usage,
    read_usage,
    split,
    thought_in,
    thought_of,
)
from rlhf_otel.instrumentation.providers.openai_responses import Responses
from rlhf_otel.instrumentation.providers.plain import Plain

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.endpoint import Endpoint
    from rlhf_otel.instrumentation.providers.takers import Taker
    from rlhf_otel.records import Message, Part

PARAMETERS = {
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "frequency_penalty": semconv.REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": semconv.REQUEST_PRESENCE_PENALTY,
    "seed": semconv.REQUEST_SEED,
    "max_tokens": semconv.REQUEST_MAX_TOKENS,
    "max_completion_tokens": semconv.REQUEST_MAX_TOKENS,
    "reasoning_effort": semconv.REQUEST_REASONING_LEVEL,
    "dimensions": semconv.EMBEDDINGS_DIMENSION_COUNT,
}
_ID = re.compile(r"(/(?:batches|completions|files|responses|runs|threads|vector_stores|videos))/[^/]+")


class Chat:
    """`/chat/completions`."""

    operation = "chat"
    marks_end = answer_waits = True
    usage_option = openai_usage

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the parameters, the messages and the tools."""
        read_parameters(call, body)
        call.attributes[semconv.OPENAI_API_TYPE] = "chat_completions"
        call.input = [read_message(m) for m in body.get("messages") or () if isinstance(m, Mapping)]
        functions = [t.get("function", t) for t in body.get("tools") or () if isinstance(t, Mapping)]
        call.tools = [parts.function_tool(f.get("name"), f.get("description"), f.get("parameters")) for f in functions]

    def response(self, call: Call, result: Any) -> None:
        """Reads every choice and the usage."""
        _read_head(call, result)
        read_usage(call, result.usage)
        choices = result.choices or ()
        call.finish_reasons = [plain(choice.finish_reason) or "error" for choice in choices]
        call.output = [_answer(choice) for choice in choices]

    def new_state(self) -> dict[int, _Choice]:
        """The choices by their index."""
        return {}

    def chunk(self, call: Call, state: dict[int, _Choice], chunk: Any) -> None:
        """Reads the deltas of every choice; the last chunk may carry the usage alone."""
        if not call.response_id:
            _read_head(call, chunk)
            call.identified()
        if (usage := getattr(chunk, "usage", None)) is not None:  # old kin of the SDK do not know it
            read_usage(call, usage)
        for choice in chunk.choices or ():
            gathered = state.get(choice.index)
            if gathered is None:  # a new choice, or one of a server that does not number its only one
                gathered = state.setdefault(choice.index or 0, _Choice())
            delta = getattr(choice, "delta", None)  # Azure's filter sends what it has found without one
            if delta is not None:
                if (content := delta.content) and content.__class__ is str:
                    parts.gather(gathered.text, content)
                    call.token()
                if (
                    not content
                    or content.__class__ is not str
                    or delta.tool_calls
                    or getattr(delta, "__pydantic_extra__", None)
                ):
                    gathered.add_rest(call, delta)
            if choice.finish_reason:
                gathered.finish_reason = choice.finish_reason
                call.complete = all(c.finish_reason for c in state.values())
                read_last_usage(call, chunk)

    def taker(self, call: Call, state: dict[int, _Choice]) -> Taker | None:
        """Takes a further piece of text of the only choice, if the chunk has nothing else that `chunk` would read."""
        if len(state) != 1 or not call.response_id:
            return None
        ((index, choice),) = state.items()
        if choice.take is None and choice.text:
            choice.take = takers.of_chat(index, choice.text)
        return choice.take

    def end(self, call: Call, state: dict[int, _Choice]) -> None:
        """Joins the deltas."""
        choices = [state[index] for index in sorted(state, key=_place)]
        reasons = [c.finish_reason for c in choices] if call.complete else []
        call.finish_reasons = [reason or "error" for reason in reasons] if any(reasons) else []
        call.output = [parts.message("assistant", c.parts(), c.finish_reason) for c in choices]


class _Choice:
    """One choice of a streamed completion."""

    __slots__ = ("finish_reason", "reasoning", "refusal", "take", "text", "tools")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.refusal: list[str] = []
        self.tools: dict[int | str, list[Any]] = {}
        self.finish_reason: str | None = None
        self.take: Taker | None = None

    def add_rest(self, call: Call, delta: Any) -> None:
        """Reads a delta without text: tool calls, a refusal, reasoning."""
        for tool in delta.tool_calls or ():
            # Of a server that does not number its tool calls, an id begins one and all else belongs to the last.
            index = tool.index if tool.index is not None else tool.id or next(reversed(self.tools), 0)
            self.add_tool(call, index, tool.id, tool.function)
        if (old := getattr(delta, "function_call", None)) is not None:
            self.add_tool(call, "function_call", None, old)
        if refusal := getattr(delta, "refusal", None):
            self.refusal.append(refusal)
            call.token()
        text, thought = split(delta.content) if isinstance(delta.content, list) else ("", None)
        if thought := thought or thought_of(delta):
            parts.gather(self.reasoning, thought)
            call.reasoning()
        if text:
            parts.gather(self.text, text)
            call.token()

    def add_tool(self, call: Call, index: int | str, call_id: str | None, function: Any) -> None:
        """Reads a piece of the tool call `index`."""
        gathered = self.tools.setdefault(index, [None, None, []])
        gathered[0] = call_id or gathered[0]
        if function is not None:
            gathered[1] = function.name or gathered[1]
            if given := function.arguments:
                gathered[2].append(given if isinstance(given, str) else json.dumps(plain(given)))
                call.token()

    def parts(self) -> list[Part]:
        """What was gathered, in the order in which a model makes it."""
        made = [parts.reasoning("".join(self.reasoning))] if self.reasoning else []
        made += [parts.text("".join(self.text))] if self.text else []
        made += [{"type": "refusal", "content": "".join(self.refusal)}] if self.refusal else []
        return made + [parts.tool_call(i, name, "".join(args)) for i, name, args in self.tools.values()]


class FetchedChat(Plain):
    """`GET /chat/completions/{id}`: a completion that openai keeps. The call that made it reports its usage."""

    operation = semconv.FETCH_RESPONSE

    def read_options(self, call: Call, options: Any) -> None:
        """Reads the id."""
        openai_stored.read_id(call, options)

    def response(self, call: Call, result: Any) -> None:
        """Reads every choice."""
        Chat().response(call, result)
        openai_stored.without_usage(call)
        call.response_id = None  # what people rate is the call that made it


class Completions:
    """`/completions`, the legacy endpoint without roles."""

    operation = "text_completion"
    marks_end = True
    usage_option = openai_usage

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the parameters and each prompt as one message."""
        read_parameters(call, body)
        call.input = [parts.message("user", [parts.text(prompt)]) for prompt in _texts(body.get("prompt"))]

    def response(self, call: Call, result: Any) -> None:
        """Reads every choice and the usage."""
        _read_head(call, result)
        read_usage(call, result.usage)
        call.finish_reasons = [choice.finish_reason or "error" for choice in result.choices]
        call.output = [
            parts.message("assistant", [parts.text(choice.text)], choice.finish_reason) for choice in result.choices
        ]

    def new_state(self) -> dict[int, _Choice]:
        """The choices by their index."""
        return {}

    def chunk(self, call: Call, state: dict[int, _Choice], chunk: Any) -> None:
        """Reads the text of every choice."""
        if not call.response_id:
            _read_head(call, chunk)
            call.identified()
        if (usage := getattr(chunk, "usage", None)) is not None:  # old kin of the SDK do not know it
            read_usage(call, usage)
        for choice in chunk.choices or ():
            gathered = state.setdefault(choice.index or 0, _Choice())
            if choice.text:
                parts.gather(gathered.text, choice.text)
                call.token()
            if choice.finish_reason:
                gathered.finish_reason = choice.finish_reason
                call.complete = all(c.finish_reason for c in state.values())

    end = Chat.end


class Embeddings(Plain):
    """`/embeddings`."""

    operation = "embeddings"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the texts; token arrays have no text to read."""
        read_parameters(call, body)
        call.input = [parts.message("user", [parts.text(one)]) for one in _texts(body.get("input"))]
        if encoding := body.get("encoding_format"):
            call.attributes[semconv.REQUEST_ENCODING_FORMATS] = [encoding]

    def response(self, call: Call, result: Any) -> None:
        """Reads model and usage; the vectors stay with the application."""
        _read_head(call, result)
        read_usage(call, result.usage)
        first = result.data[0].embedding if result.data else None
        if isinstance(first, list):
            call.attributes[semconv.EMBEDDINGS_DIMENSION_COUNT] = len(first)


def _place(index: Any) -> tuple[int, str]:
    """Where a choice stands; some servers number them in words."""
    return len(str(index)), str(index)


# --- Shared readers -----------------------------------------------------------------------------------------------


def read_parameters(call: Call, body: Mapping[str, Any]) -> None:
    """Reads the scalar parameters that most endpoints share."""
    for name, key in PARAMETERS.items():
        if (value := body.get(name)) is not None:
            call.attributes[key] = value
    if (stop := body.get("stop")) is not None:
        call.attributes[semconv.REQUEST_STOP_SEQUENCES] = [stop] if isinstance(stop, str) else list(stop)
    if (n := body.get("n")) not in (None, 1):
        call.attributes[semconv.REQUEST_CHOICE_COUNT] = n
    if (tier := body.get("service_tier")) not in (None, "auto"):
        call.attributes[semconv.OPENAI_REQUEST_SERVICE_TIER] = tier
    if isinstance(form := body.get("response_format"), Mapping):
        call.attributes[semconv.OUTPUT_TYPE] = "text" if form.get("type") == "text" else "json"


def _read_head(call: Call, result: Any) -> None:
    call.response_id = getattr(result, "id", None)
    call.response_model = plain(getattr(result, "model", None))
    if tier := plain(getattr(result, "service_tier", None)):
        call.attributes[semconv.OPENAI_RESPONSE_SERVICE_TIER] = tier
    if fingerprint := plain(getattr(result, "system_fingerprint", None)):
        call.attributes[semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT] = fingerprint


def _answer(choice: Any) -> Message:
    answer = choice.message
    content = plain(answer.content) if isinstance(answer.content, Lenient) else answer.content
    text, thought = split(content) if isinstance(content, list) else (content, None)
    made: list[Part] = [parts.reasoning(thought)] if (thought := thought or thought_of(answer)) else []
    if text:
        made.append(parts.text(text))
    if refusal := plain(getattr(answer, "refusal", None)):
        made.append({"type": "refusal", "content": refusal})
    for tool in answer.tool_calls or ():
        function: Any = getattr(tool, "function", None) or getattr(tool, "custom", None)
        given = getattr(function, "arguments", None) or getattr(function, "input", None)
        made.append(parts.tool_call(tool.id, function.name, plain(given)))
    if old := getattr(answer, "function_call", None):
        made.append(parts.tool_call(None, old.name, plain(old.arguments)))
    return parts.message(answer.role or "assistant", made, choice.finish_reason)


def read_message(m: Mapping[str, Any]) -> Message:
    """A message of a conversation, as the application sends it."""
    role, content = str(m.get("role", "")), m.get("content")
    if role in ("tool", "function"):
        given = [_part(p) for p in content] if isinstance(content, list) else content
        return parts.message("tool", [parts.tool_response(m.get("tool_call_id") or m.get("name"), given)])
    made = [parts.reasoning(thought)] if (thought := thought_in(m)) else []
    made += [_part(p) for p in content] if isinstance(content, list) else [parts.text(content)] if content else []
    for tool in m.get("tool_calls") or ():
        function = tool.get("function") or tool.get("custom") or {}
        given = function.get("arguments", function.get("input"))
        made.append(parts.tool_call(tool.get("id"), function.get("name"), given))
    made_message = parts.message(role, made)
    if name := m.get("name"):
        made_message["name"] = name
    return made_message


def _part(p: Any) -> Part:
    kind = p.get("type") if isinstance(p, Mapping) else None
    if kind == "text":
        return parts.text(p.get("text"))
    if kind == "thinking":
        return parts.reasoning(split([p])[1])
    if kind in ("image_url", "audio_url", "video_url"):
        held = p.get(kind)
        return parts.media(kind.removesuffix("_url"), held.get("url") if isinstance(held, Mapping) else held)
    if kind == "input_audio":
        audio = p.get("input_audio") or {}
        return parts.media("audio", audio.get("data"), f"audio/{audio.get('format', 'wav')}")
    if kind == "file":
        held = p.get("file") or {}
        if held.get("file_id"):
            return parts.file("document", held["file_id"])
        return parts.media("document", held.get("file_data"), "application/octet-stream")
    if kind == "refusal":
        return {"type": "refusal", "content": p.get("refusal")}
    return parts.text(p) if isinstance(p, str) else dict(p)


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, str)]


class OpenAI:
    """The provider."""

    package = "openai"
    versions = (1, 3)
    _endpoints: Mapping[str, Endpoint] = {
        "/chat/completions": Chat(),
        "/completions": Completions(),
        "/embeddings": Embeddings(),
        "/responses": Responses(),
        **openai_stored.ENDPOINTS,
        **openai_images.ENDPOINTS,
        **openai_audio.ENDPOINTS,
        **openai_batches.ENDPOINTS,
        **openai_decisions.ENDPOINTS,
    }
    _templates: Mapping[tuple[str, str], Endpoint] = {
        ("GET", "/chat/completions/{}"): FetchedChat(),
        **openai_stored.TEMPLATES,
        **openai_images.TEMPLATES,
        **openai_batches.templates(_endpoints),
    }
    connections: Mapping[str, tuple[str, Endpoint]] = {
        "openai.resources.responses.responses": ("ResponsesConnectionManager", _endpoints["/responses"]),
        "openai.resources.beta.responses.responses": ("ResponsesConnectionManager", _endpoints["/responses"]),
    }
    """Module -> the class in it that opens WebSocket connections, and what reads their events."""

    def endpoint(self, path: str, method: str = "POST") -> Endpoint | None:
        """The readers of `path`, whose parts may be ids."""
        if method == "POST" and (found := self._endpoints.get(path)) is not None:
            return found
        path = path.partition("?")[0]
        if method == "POST" and (found := self._endpoints.get(path)) is not None:
            return found
        return self._templates.get((method, _ID.sub(r"\1/{}", path)))

    def takes_usage(self, client: Any) -> bool:
        """Whether streams of `client` may be asked for their usage."""
        return openai_usage.takes_usage(client)

    def name_of(self, client: Any) -> str:
        """By the class of the client, then by the host it talks to; a host that is not known counts as openai."""
        return provider_name(client, self.package, OPENAI_CLIENTS)


provider = OpenAI()
