"""The families of Bedrock's `invoke_model` that have a format of their own: Titan, Llama, Mistral and Cohere.

A piece of a stream has the shape of a whole answer, or nearly.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation import parts
from rlhf_otel.instrumentation.providers.plain import Plain

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.records import Part

_PARAMETERS = {
    "maxTokenCount": semconv.REQUEST_MAX_TOKENS,
    "max_gen_len": semconv.REQUEST_MAX_TOKENS,
    "max_tokens": semconv.REQUEST_MAX_TOKENS,
    "temperature": semconv.REQUEST_TEMPERATURE,
    "topP": semconv.REQUEST_TOP_P,
    "top_p": semconv.REQUEST_TOP_P,
    "p": semconv.REQUEST_TOP_P,
    "top_k": semconv.REQUEST_TOP_K,
    "k": semconv.REQUEST_TOP_K,
    "stopSequences": semconv.REQUEST_STOP_SEQUENCES,
    "stop_sequences": semconv.REQUEST_STOP_SEQUENCES,
    "stop": semconv.REQUEST_STOP_SEQUENCES,
}

Answers = Sequence[tuple[str, str | None]]
"""Text and finish reason of each answer; of a piece of a stream, of what has just come."""


class Prompt(abc.ABC):
    """What the families have in common; each says where its prompt, its answers and its counts are."""

    operation = "text_completion"
    prompt = "prompt"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the parameters and the prompt."""
        for name, value in {**body, **(body.get("textGenerationConfig") or {})}.items():
            if (key := _PARAMETERS.get(name)) is not None:
                call.attributes[key] = value
        call.input = [parts.message("user", [parts.text(body.get(self.prompt))])]

    @abc.abstractmethod
    def answers(self, call: Call, result: Any) -> Answers:
        """The answers of `result`, whose counts and ids are read by the way."""

    def response(self, call: Call, result: Any) -> None:
        """Reads the answers."""
        found = self.answers(call, result)
        call.finish_reasons = [reason for _, reason in found if reason]
        call.output = [parts.message("assistant", [parts.text(text), *tools(result)], reason) for text, reason in found]

    def new_state(self) -> dict[str, Any]:
        """The pieces so far, and how it ended."""
        return {"pieces": [], "reason": None}

    def chunk(self, call: Call, state: dict[str, Any], chunk: Any) -> None:
        """Reads one piece."""
        for text, reason in self.answers(call, chunk):
            if text:
                parts.gather(state["pieces"], text)
                call.token()
            if reason:
                state["reason"] = reason
                call.complete = True

    def end(self, call: Call, state: dict[str, Any]) -> None:
        """Joins the pieces."""
        call.finish_reasons = [state["reason"]] if state["reason"] else []
        call.output = [parts.message("assistant", [parts.text("".join(state["pieces"]))], state["reason"])]


def tools(result: Any) -> list[Part]:
    """The tool calls of Cohere's answers, which have no ids."""
    return [parts.tool_call(None, tool.name, _plain(tool.parameters)) for tool in result.tool_calls or ()]


def _plain(value: Any) -> Any:
    return vars(value) if hasattr(value, "__dict__") else value


class Titan(Prompt):
    """Amazon's Titan."""

    prompt = "inputText"

    def answers(self, call: Call, result: Any) -> Answers:
        """The results; a piece of a stream is one."""
        if result.inputTextTokenCount is not None:
            call.input_tokens = result.inputTextTokenCount
        found = result.results or [result]
        counts = [one.tokenCount or one.totalOutputTextTokenCount for one in found]
        if any(counts):
            call.output_tokens = sum(filter(None, counts))
        return [(one.outputText, one.completionReason) for one in found]


class Llama(Prompt):
    """Meta's Llama."""

    def answers(self, call: Call, result: Any) -> Answers:
        """The generation; its count grows with the stream, and that of the prompt comes first."""
        if result.prompt_token_count is not None:
            call.input_tokens = result.prompt_token_count
        if result.generation_token_count is not None:
            call.output_tokens = result.generation_token_count
        return [(result.generation, result.stop_reason)]


class Mistral(Prompt):
    """Mistral's models that take a prompt; those that take messages speak OpenAI's format."""

    def answers(self, call: Call, result: Any) -> Answers:
        """The outputs."""
        return [(one.text, one.stop_reason) for one in result.outputs or ()]


class Cohere(Prompt):
    """Cohere's Command: with a message and a history, or with a prompt as its first models."""

    operation = "chat"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the parameters, the history and the message."""
        super().request(call, body)
        if (message := body.get("message")) is None:
            return
        turns = [*(body.get("chat_history") or ()), {"role": "USER", "message": message}]
        roles = {"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system"}
        call.input = [
            parts.message(roles.get(str(turn.get("role")), "user"), [parts.text(turn.get("message"))]) for turn in turns
        ]
        if preamble := body.get("preamble"):
            call.system = [parts.text(preamble)]

    def answers(self, call: Call, result: Any) -> Answers:
        """The text, or the generations."""
        call.response_id = result.response_id or result.id or call.response_id
        if result.generations:
            return [(one.text, one.finish_reason) for one in result.generations]
        return [("" if result.event_type == "stream-end" else result.text or "", result.finish_reason)]


class TitanEmbeddings(Plain):
    """Amazon's Titan for embeddings."""

    operation = "embeddings"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the text."""
        call.input = [parts.message("user", [parts.text(body.get("inputText"))])]

    def response(self, call: Call, result: Any) -> None:
        """Reads the count; the vector stays with the application."""
        call.input_tokens = result.inputTextTokenCount
        call.attributes[semconv.EMBEDDINGS_DIMENSION_COUNT] = len(result.embedding)


class CohereEmbeddings(Plain):
    """Cohere's embeddings."""

    operation = "embeddings"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the texts."""
        call.input = [parts.message("user", [parts.text(text)]) for text in body.get("texts") or ()]

    def response(self, call: Call, result: Any) -> None:
        """Reads the id; the vectors stay with the application."""
        call.response_id = result.id or call.response_id
        if isinstance(result.embeddings, list) and result.embeddings:
            call.attributes[semconv.EMBEDDINGS_DIMENSION_COUNT] = len(result.embeddings[0])
