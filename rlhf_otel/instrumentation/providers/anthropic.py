"""anthropic 0 to 2: messages and beta messages, the counting of their tokens, and completions of old.

Sources: the request and response types of anthropic 0.40 and 2.14; the GenAI conventions' page on Anthropic, by which
`gen_ai.usage.input_tokens` is the sum of uncached, cache-read and cache-written tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation import parts
from rlhf_otel.instrumentation.bodies import count_of, member, plain
from rlhf_otel.instrumentation.providers import takers
from rlhf_otel.instrumentation.providers.anthropic_agents import session_endpoint
from rlhf_otel.instrumentation.providers.anthropic_batches import Batches
from rlhf_otel.instrumentation.providers.anthropic_blocks import message_of, parts_of
from rlhf_otel.instrumentation.providers.hosts import ANTHROPIC_CLIENTS, provider_name
from rlhf_otel.instrumentation.providers.plain import Plain

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.endpoint import Endpoint
    from rlhf_otel.instrumentation.providers.takers import Taker

_PARAMETERS = {
    "max_tokens": semconv.REQUEST_MAX_TOKENS,
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "top_k": semconv.REQUEST_TOP_K,
}

_COMPACTION_COUNTS = {
    semconv.ANTHROPIC_COMPACTION_INPUT_TOKENS: (
        "input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
    semconv.ANTHROPIC_COMPACTION_OUTPUT_TOKENS: ("output_tokens",),
}  # fmt: skip

_DELTA_FIELDS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
"""Kind of delta -> the field of it that carries the piece."""


class Messages:
    """`/v1/messages`."""

    operation = "chat"
    marks_end = answer_waits = True

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the parameters, the system prompt, the messages and the tools."""
        for name, key in _PARAMETERS.items():
            if (value := body.get(name)) is not None:
                call.attributes[key] = value
        if stop := body.get("stop_sequences"):
            call.attributes[semconv.REQUEST_STOP_SEQUENCES] = list(stop)
        _read_output_config(call, body)
        call.input = [message_of(m) for m in body.get("messages") or () if isinstance(m, Mapping)]
        if (tier := body.get("service_tier")) not in (None, "auto"):
            call.attributes[semconv.ANTHROPIC_REQUEST_SERVICE_TIER] = tier
        if isinstance(thread := body.get("thread"), Mapping) and (previous := thread.get("previous_message_id")):
            call.attributes[semconv.REQUEST_PREVIOUS_RESPONSE_ID] = previous  # the server holds what was said so far
        if (system := body.get("system")) is not None:
            call.system = parts_of(system)
        call.tools = [_tool(tool) for tool in body.get("tools") or () if isinstance(tool, Mapping)]

    def response(self, call: Call, result: Any) -> None:
        """Reads the content blocks as one message, and the usage."""
        call.response_id, call.response_model = result.id, plain(result.model)
        _read_usage(call, result.usage)
        reason, content = plain(result.stop_reason), plain(result.content) or []
        call.finish_reasons = [reason] if reason else []
        call.output = [parts.message("assistant", parts_of(content), reason)]

    def new_state(self) -> _Streamed:
        """The blocks so far."""
        return _Streamed()

    def chunk(self, call: Call, state: _Streamed, chunk: Any) -> None:
        """Reads one event; `message_start` and pings carry no token."""
        kind = chunk.type
        if kind == "content_block_delta":
            state.add(call, chunk.index, chunk.delta)
        elif kind == "content_block_start":
            state.blocks[chunk.index] = (plain(chunk.content_block), [])
            state.take = None
        elif kind == "message_start":
            call.response_id, call.response_model = chunk.message.id, chunk.message.model
            call.identified()
            _read_input_usage(call, chunk.message.usage)  # its count of output tokens is a placeholder
        elif kind == "message_delta":
            state.stop_reason = chunk.delta.stop_reason
            _read_usage(call, chunk.usage)
        elif kind == "message_stop":
            call.complete = True

    def taker(self, call: Call, state: _Streamed) -> Taker | None:
        """Takes a further piece of the block whose deltas were read last."""
        return state.take

    def end(self, call: Call, state: _Streamed) -> None:
        """Joins the deltas of each block."""
        call.finish_reasons = [state.stop_reason] if state.stop_reason else []
        call.output = [parts.message("assistant", parts_of(state.joined()), state.stop_reason)]


class _Streamed:
    """The blocks of a streamed message: what each began as, and its deltas."""

    __slots__ = ("blocks", "stop_reason", "take")

    def __init__(self) -> None:
        self.blocks: dict[int, tuple[dict[str, Any], list[str]]] = {}
        self.stop_reason: str | None = None
        self.take: Taker | None = None

    def add(self, call: Call, index: int, delta: Any) -> None:
        """Keeps one delta."""
        field = _DELTA_FIELDS.get(delta.type)
        if field is None:
            self.add_rest(index, delta)
            return
        if not (piece := getattr(delta, field)):
            return
        if index not in self.blocks:
            self.blocks[index] = ({"type": field}, [])
        parts.gather(pieces := self.blocks[index][1], piece)
        self.take = takers.of_block(delta.type, field, index, pieces)
        if field == "thinking":
            call.reasoning()
        else:
            call.token()

    def add_rest(self, index: int, delta: Any) -> None:
        """Keeps what is no piece of a text: citations, and a summary, which comes whole. Signatures are of no use."""
        if delta.type == "citations_delta":
            block = self.blocks.setdefault(index, ({"type": "text"}, []))[0]
            block["citations"] = [*(block.get("citations") or ()), plain(delta.citation)]
        elif delta.type == "compaction_delta":
            self.blocks.setdefault(index, ({"type": "compaction"}, []))[0]["content"] = delta.content

    def joined(self) -> list[dict[str, Any]]:
        """The blocks as an unstreamed response would have them."""
        return [_joined(block, "".join(deltas)) for _, (block, deltas) in sorted(self.blocks.items())]


def _joined(block: dict[str, Any], text: str) -> dict[str, Any]:
    kind = block.get("type")
    if kind in ("text", "thinking"):
        return {**block, kind: (block.get(kind) or "") + text}
    return {**block, "input": text} if text else block


def _read_output_config(call: Call, body: Mapping[str, Any]) -> None:
    config = body.get("output_config")
    config = config if isinstance(config, Mapping) else {}
    if config.get("effort"):
        call.attributes[semconv.REQUEST_REASONING_LEVEL] = config["effort"]
    if config.get("format") or body.get("output_format"):
        call.attributes[semconv.OUTPUT_TYPE] = "json"


def _read_usage(call: Call, usage: Any) -> None:
    """Reads what `usage` has; the counts of a stream's last event replace those of its first."""
    if usage is None:
        return
    _read_input_usage(call, usage)
    if (output := count_of(usage.output_tokens)) is not None:
        call.output_tokens = output
    details = member(usage, "output_tokens_details")
    if (thinking := count_of(getattr(details, "thinking_tokens", None))) is not None:
        call.reasoning_tokens = thinking
    _read_counts(call, member(usage, "server_tool_use"), semconv.ANTHROPIC_SERVER_TOOL_USE)
    _read_compactions(call, member(usage, "iterations"))


def _read_input_usage(call: Call, usage: Any) -> None:
    """Reads the counts that do not grow with the answer, and the tier that it is made in."""
    read = count_of(getattr(usage, "cache_read_input_tokens", None))
    written = count_of(getattr(usage, "cache_creation_input_tokens", None))
    call.cached_tokens = call.cached_tokens if read is None else read
    call.cache_write_tokens = call.cache_write_tokens if written is None else written
    if (uncached := count_of(getattr(usage, "input_tokens", None))) is not None:
        call.input_tokens = uncached + (call.cached_tokens or 0) + (call.cache_write_tokens or 0)
    _read_counts(call, member(usage, "cache_creation"), semconv.ANTHROPIC_CACHE_CREATION)
    if tier := plain(getattr(usage, "service_tier", None)):
        call.attributes[semconv.ANTHROPIC_RESPONSE_SERVICE_TIER] = tier


def _read_counts(call: Call, counts: Any, prefix: str) -> None:
    """Keeps each count that is not zero by its own name: such groups grow with the API."""
    for name, count in (plain(counts) or {}).items():
        if isinstance(count, int) and count:
            call.attributes[prefix + name] = count


def _read_compactions(call: Call, iterations: Any) -> None:
    """Sums up what the summaries of the conversation took, which the totals leave out."""
    took = [entry for entry in map(plain, iterations or ()) if entry.get("type") == "compaction"]
    if not took:
        return
    call.attributes[semconv.CONVERSATION_COMPACTED] = True
    for name, counted in _COMPACTION_COUNTS.items():
        call.attributes[name] = sum(entry.get(field) or 0 for entry in took for field in counted)


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    if "input_schema" in tool:
        return parts.function_tool(tool.get("name"), tool.get("description"), tool.get("input_schema"))
    named = {key: tool.get(key) for key in ("type", "name", "mcp_server_name")}  # run by the provider
    return {key: value for key, value in named.items() if value is not None}


class CountTokens(Plain):
    """`/v1/messages/count_tokens`: how many tokens a request would have. They have not been used."""

    operation = semconv.COUNT_TOKENS

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads what is counted."""
        _messages.request(call, body)

    def response(self, call: Call, result: Any) -> None:
        """Reads the count."""
        call.attributes[semconv.USAGE_INPUT_TOKENS] = result.input_tokens


class Completions:
    """`/v1/complete`, the endpoint without roles that only anthropic 0 has."""

    operation = "text_completion"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the parameters and the prompt, which holds the turns of both sides."""
        for name, key in _PARAMETERS.items():
            if (value := body.get(name)) is not None:
                call.attributes[key] = value
        if (most := body.get("max_tokens_to_sample")) is not None:
            call.attributes[semconv.REQUEST_MAX_TOKENS] = most
        if stop := body.get("stop_sequences"):
            call.attributes[semconv.REQUEST_STOP_SEQUENCES] = list(stop)
        call.input = [parts.message("user", [parts.text(body.get("prompt"))])]

    def response(self, call: Call, result: Any) -> None:
        """Reads the text; there is no usage."""
        call.response_id, call.response_model = result.id, result.model
        self.end(call, [[result.completion], result.stop_reason])

    def new_state(self) -> list[Any]:
        """The text so far, and why it ended."""
        return [[], None]

    def chunk(self, call: Call, state: list[Any], chunk: Any) -> None:
        """Reads one piece of the text."""
        if not call.response_id:
            call.response_id, call.response_model = chunk.id, chunk.model
            call.identified()
        if chunk.completion:
            parts.gather(state[0], chunk.completion)
            call.token()
        if chunk.stop_reason:
            state[1], call.complete = chunk.stop_reason, True

    def end(self, call: Call, state: list[Any]) -> None:
        """Joins the pieces."""
        pieces, reason = state
        call.finish_reasons = [reason] if reason else []
        call.output = [parts.message("assistant", [parts.text("".join(pieces))], reason)]


_messages = Messages()


class Anthropic:
    """The provider."""

    package = "anthropic"
    versions = (0, 2)
    _endpoints: Mapping[str, Endpoint] = {
        "/v1/messages": _messages,
        "/v1/messages/count_tokens": CountTokens(),
        "/v1/complete": Completions(),
    }
    _batches = Batches(_messages)

    def endpoint(self, path: str, method: str = "POST") -> Endpoint | None:
        """The readers of `path`; beta messages differ by a query only."""
        found = self._endpoints.get(path.partition("?")[0]) if method == "POST" else None
        return found or self._batches.endpoint(path, method) or session_endpoint(path, method)

    def name_of(self, client: Any) -> str:
        """By the class of the client, then by the host it talks to; a host that is not known counts as anthropic."""
        return provider_name(client, self.package, ANTHROPIC_CLIENTS)


provider = Anthropic()
