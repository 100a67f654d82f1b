"""google-genai 1 to 3: generate_content in all its forms, interactions, embeddings, images, the counting of tokens.

The private methods are patched that make one HTTP request each: chats, automatic function calling and continued answers
come by there, once for each request. What is asked is read in both of the SDK's spellings, `inline_data` and
`inlineData`, as its users may write either.

Sources: the types of google-genai 3.6; the Gemini API's page on usage metadata, by which thoughts stand beside
the candidates' tokens, and cached tokens within the prompt's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation import parts
from rlhf_otel.instrumentation.methods import Arguments, Described, Method, server
from rlhf_otel.instrumentation.providers.google_interactions import Interactions, asked
from rlhf_otel.instrumentation.providers.google_parts import camel, messages, output, read_tools, system
from rlhf_otel.instrumentation.providers.plain import Plain

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.endpoint import Endpoint
    from rlhf_otel.records import Part

_PARAMETERS = {
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "top_k": semconv.REQUEST_TOP_K,
    "max_output_tokens": semconv.REQUEST_MAX_TOKENS,
    "stop_sequences": semconv.REQUEST_STOP_SEQUENCES,
    "presence_penalty": semconv.REQUEST_PRESENCE_PENALTY,
    "frequency_penalty": semconv.REQUEST_FREQUENCY_PENALTY,
    "seed": semconv.REQUEST_SEED,
    "output_dimensionality": semconv.EMBEDDINGS_DIMENSION_COUNT,
}


class GenerateContent:
    """`generateContent` and `streamGenerateContent`."""

    operation = "generate_content"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the parameters, the system instruction, the contents and the tools."""
        config = body.get("config") or {}
        _read_parameters(call, config)
        call.input = messages(body.get("contents"))
        call.system = system(camel(config, "system_instruction"))
        call.tools = read_tools(config.get("tools"))

    def response(self, call: Call, result: Any) -> None:
        """Reads every candidate and the usage."""
        state = self.new_state()
        self.chunk(call, state, result)
        self.end(call, state)

    def new_state(self) -> dict[int, _Candidate]:
        """The candidates by their index."""
        return {}

    def chunk(self, call: Call, state: dict[int, _Candidate], chunk: Any) -> None:
        """Reads a chunk, which has the form of a whole response."""
        if call.response_id is None and chunk.response_id:
            call.response_id = chunk.response_id
            call.identified()
        call.response_model = chunk.model_version or call.response_model
        _read_usage(call, chunk.usage_metadata)
        for candidate in chunk.candidates or ():
            state.setdefault(candidate.index or 0, _Candidate()).add(call, candidate)
        blocked = chunk.prompt_feedback.block_reason if chunk.prompt_feedback is not None else None
        if blocked is not None and not state:
            call.finish_reasons = [blocked.value]
        call.complete = all(candidate.finish_reason is not None for candidate in state.values())

    def end(self, call: Call, state: dict[int, _Candidate]) -> None:
        """Joins what was gathered of each candidate."""
        candidates = [state[index] for index in sorted(state)]
        if candidates:
            call.finish_reasons = [candidate.finish_reason for candidate in candidates if candidate.finish_reason]
            call.output = [candidate.message() for candidate in candidates]


class _Candidate:
    """One candidate, whole or streamed: its parts, neighbours of one kind joined."""

    __slots__ = ("finish_reason", "parts")

    def __init__(self) -> None:
        self.parts: list[Any] = []  # parts, and (is a thought, pieces) for text that may go on
        self.finish_reason: str | None = None

    def add(self, call: Call, candidate: Any) -> None:
        """Reads what a chunk says of this candidate."""
        for part in (candidate.content.parts if candidate.content is not None else None) or ():
            if part.text is None:
                self.parts.append(output(part))
                _mark(call, is_thought=False)
            elif part.text:
                self._add_text(bool(part.thought), part.text)
                _mark(call, is_thought=bool(part.thought))
        if candidate.finish_reason is not None:
            self.finish_reason = str(candidate.finish_reason.value)

    def _add_text(self, is_thought: bool, text: str) -> None:
        if not self.parts or not isinstance(self.parts[-1], tuple) or self.parts[-1][0] != is_thought:
            self.parts.append((is_thought, []))
        parts.gather(self.parts[-1][1], text)

    def message(self) -> Any:
        """The candidate as a message."""
        made = [_text(*part) if isinstance(part, tuple) else part for part in self.parts]
        return parts.message("assistant", made, self.finish_reason.lower() if self.finish_reason else None)


def _text(is_thought: bool, pieces: list[str]) -> Part:
    return (parts.reasoning if is_thought else parts.text)("".join(pieces))


def _mark(call: Call, *, is_thought: bool) -> None:
    """Notes the time of the first token or thought, where there are chunks that have one."""
    if call.stream:
        (call.reasoning if is_thought else call.token)()


class EmbedContent(Plain):
    """`embedContent`, `batchEmbedContents` and, on Vertex AI, `predict`."""

    operation = "embeddings"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the texts and media, each as one message."""
        _read_parameters(call, body.get("config") or {})
        contents = body.get("contents")
        call.input = [m for one in (contents if isinstance(contents, list) else [contents]) for m in messages(one)]

    def response(self, call: Call, result: Any) -> None:
        """Reads the dimensions, and the usage where there is one; the vectors stay with the application."""
        embeddings = result.embeddings or ()
        if embeddings and embeddings[0].values:
            call.attributes[semconv.EMBEDDINGS_DIMENSION_COUNT] = len(embeddings[0].values)
        counts = [one.statistics.token_count for one in embeddings if one.statistics and one.statistics.token_count]
        usage = getattr(result, "usage_metadata", None)
        call.input_tokens = getattr(usage, "prompt_token_count", None) or (int(sum(counts)) if counts else None)


class Images(Plain):
    """The methods of Imagen."""

    operation = semconv.IMAGE_GENERATION

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the prompt and how many pictures are asked for."""
        config = body.get("config") or {}
        _read_parameters(call, config)
        count = camel(config, "number_of_images")
        if count not in (None, 1):
            call.attributes[semconv.REQUEST_CHOICE_COUNT] = count
        if prompt := body.get("prompt"):
            call.input = [parts.message("user", [parts.text(prompt)])]

    def response(self, call: Call, result: Any) -> None:
        """Reads the pictures as hashes, and why others were held back."""
        made = result.generated_images or ()
        pictures = [one.image for one in made if one.image is not None]
        seen = [(picture.image_bytes or picture.gcs_uri, picture.mime_type) for picture in pictures]
        call.output = [
            parts.message("assistant", [parts.media("image", source, kind)]) for source, kind in seen if source
        ]
        call.finish_reasons = [one.rai_filtered_reason for one in made if one.rai_filtered_reason]


class CountTokens(Plain):
    """`countTokens`. The tokens have not been used."""

    operation = semconv.COUNT_TOKENS
    request = GenerateContent.request

    def response(self, call: Call, result: Any) -> None:
        """Reads the count."""
        call.attributes[semconv.USAGE_INPUT_TOKENS] = result.total_tokens


def _read_parameters(call: Call, config: Mapping[str, Any]) -> None:
    for name, key in _PARAMETERS.items():
        if (value := camel(config, name)) is not None:
            call.attributes[key] = value
    if (count := camel(config, "candidate_count")) not in (None, 1):
        call.attributes[semconv.REQUEST_CHOICE_COUNT] = count
    if mime_type := camel(config, "response_mime_type"):
        call.attributes[semconv.OUTPUT_TYPE] = "json" if mime_type == "application/json" else "text"
    if level := camel(camel(config, "thinking_config") or {}, "thinking_level"):
        call.attributes[semconv.REQUEST_REASONING_LEVEL] = str(getattr(level, "value", level)).lower()


def _read_usage(call: Call, usage: Any) -> None:
    """Reads the counts, which grow from chunk to chunk; thoughts are tokens of the answer as well."""
    if usage is None:
        return
    asked = (usage.prompt_token_count, getattr(usage, "tool_use_prompt_token_count", None))
    thoughts = getattr(usage, "thoughts_token_count", None)
    said = (usage.candidates_token_count, thoughts)
    call.input_tokens, call.output_tokens = _sum(asked), _sum(said)
    call.cached_tokens = usage.cached_content_token_count
    call.reasoning_tokens = thoughts


def _sum(counts: tuple[int | None, ...]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _methods() -> tuple[Method, ...]:
    generate, images = GenerateContent(), Images()
    readers: dict[str, Endpoint] = {
        "_generate_content": generate,
        "_generate_content_stream": generate,
        "embed_content": EmbedContent(),
        "_generate_images": images,
        "_edit_image": images,
        "_upscale_image": images,
        "count_tokens": CountTokens(),
    }
    of_models = [
        Method(target=f"google.genai.models:{cls}.{name}", endpoint=endpoint, stream=name.endswith("_stream"))
        for cls in ("Models", "AsyncModels")
        for name, endpoint in readers.items()
    ]
    of_interactions = [
        Method(
            target=f"google.genai._gaos.interactions:{cls}.create",
            endpoint=Interactions(),
            stream=lambda given: bool(asked(given).get("stream")),
            inner="generator",
        )
        for cls in ("Interactions", "AsyncInteractions")
    ]
    return (*of_models, *of_interactions)


class GoogleGenAI:
    """The provider."""

    package = "google.genai"
    versions = (1, 3)
    methods = _methods()

    def describe(self, instance: Any, arguments: Arguments) -> Described:
        """Vertex AI or the Gemini API, as the client was made for."""
        client = self.client_of(instance)
        name = "gcp.vertex_ai" if client.vertexai else "gcp.gemini"
        model = asked(arguments).get("model")
        return Described(provider=name, model=model, attributes=server(str(client._http_options.base_url)))

    def raised(self, call: Call, error: BaseException) -> None:
        """Reads status and message of what was refused; as text, such an error is the whole body."""
        code, message = getattr(error, "code", None), getattr(error, "message", None)
        call.status_code = code if isinstance(code, int) else None
        if isinstance(message, str):
            call.failure = (type(error).__qualname__, message)

    def client_of(self, instance: Any) -> Any:
        """What all modules of a client share."""
        return getattr(instance, "_api_client", instance)


provider = GoogleGenAI()
