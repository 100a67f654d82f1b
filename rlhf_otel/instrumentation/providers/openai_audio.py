"""Sounds of openai, both ways: speech is made of text, and text of speech. And moderation, which is said in flags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation import parts, uploads
from rlhf_otel.instrumentation.bodies import Media, MediaReader, member, plain, whole_media
from rlhf_otel.instrumentation.providers.openai_dialects import read_modalities
from rlhf_otel.instrumentation.providers.plain import Plain

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.endpoint import Endpoint
    from rlhf_otel.records import Message, Part


class Speech(Plain):
    """`/audio/speech`, whose answer is the sound itself."""

    operation = semconv.SPEECH
    reader = MediaReader

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads what is to be said, and how."""
        call.attributes[semconv.OUTPUT_TYPE] = "speech"
        call.input = [parts.message("user", [parts.text(body.get("input"))])]
        if instructions := body.get("instructions"):
            call.system = [parts.text(instructions)]

    def response(self, call: Call, result: Any) -> None:
        """Reads size and hash."""
        media = result if isinstance(result, Media) else whole_media(call, result.response)
        call.output = [parts.message("assistant", [media.part("audio")])]


class Transcriptions:
    """`/audio/transcriptions`: a form with a file; the answer is JSON or the text itself, or a stream."""

    operation = semconv.TRANSCRIPTION
    reads_text = True

    def read_options(self, call: Call, options: Any) -> None:
        """Reads the fields, and describes the file where it lies."""
        described = [uploads.described("audio", file) for _, file in uploads.files(options)]
        call.asked({**uploads.fields(options), "files": described})

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the sound, and the text that it goes on from."""
        call.attributes[semconv.OUTPUT_TYPE] = "text"
        if (temperature := body.get("temperature")) is not None:
            call.attributes[semconv.REQUEST_TEMPERATURE] = temperature
        given: list[Part] = [part for part in body.get("files") or () if isinstance(part, dict)]
        if prompt := body.get("prompt"):
            given.append(parts.text(prompt))
        call.input = [parts.message("user", given)]

    def response(self, call: Call, result: Any) -> None:
        """Reads the text, and the usage where it is in tokens."""
        text = result if isinstance(result, str) else result.text
        call.output = [parts.message("assistant", [parts.text(text)])]
        _read_usage(call, member(result, "usage"))

    def new_state(self) -> list[str]:
        """The text so far."""
        return []

    def chunk(self, call: Call, state: list[str], chunk: Any) -> None:
        """Reads one event; the last has the whole text."""
        kind = chunk.type
        if kind == "transcript.text.delta":
            parts.gather(state, chunk.delta)
            call.token()
        elif kind == "transcript.text.done":
            state[:] = [chunk.text]
            call.token()
            call.complete = True
            _read_usage(call, member(chunk, "usage"))
        elif kind == "error":
            error = member(chunk, "error") or chunk
            call.failure = (str(error.code or "error"), str(error.message))

    def end(self, call: Call, state: list[str]) -> None:
        """Joins the deltas."""
        call.output = [parts.message("assistant", [parts.text("".join(state))])] if state else []


class Translations(Transcriptions):
    """`/audio/translations`: the same, into English."""

    operation = semconv.TRANSLATION


class Moderations(Plain):
    """`/moderations`."""

    operation = semconv.MODERATION

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads what is judged: texts one by one, or the parts of one message."""
        given = body.get("input")
        items = given if isinstance(given, list) else [given]
        if all(isinstance(item, str) for item in items):
            call.input = [parts.message("user", [parts.text(item)]) for item in items]
        else:
            call.input = [parts.message("user", [_judged(item) for item in items if isinstance(item, Mapping)])]

    def response(self, call: Call, result: Any) -> None:
        """Reads the judgement on each."""
        call.response_id, call.response_model = result.id, result.model
        call.output = [_judgement(one) for one in result.results or ()]


def _judged(item: Mapping[str, Any]) -> Part:
    held = item.get("image_url")
    if held is None:
        return parts.text(item.get("text"))
    return parts.media("image", held.get("url") if isinstance(held, Mapping) else held)


def _judgement(one: Any) -> Message:
    """A judgement as a message of one part: whether it was flagged, for what, and how sure the model is of each."""
    flags, scores = _by_category(one, "categories"), _by_category(one, "category_scores")
    flagged = [category for category, flag in flags.items() if flag]
    part = {"type": "moderation", "flagged": bool(one.flagged), "categories": flagged, "scores": scores}
    return parts.message("assistant", [part])


def _by_category(one: Any, name: str) -> dict[str, Any]:
    """What is said of each category, which the SDK has under up to two names."""
    said = plain(member(one, name) or {})
    return {category.replace("-", "_").replace("/", "_"): value for category, value in said.items()}


def _read_usage(call: Call, usage: Any) -> None:
    if usage is not None and usage.type == "tokens":  # the other kind is in seconds
        call.input_tokens, call.output_tokens = usage.input_tokens, usage.output_tokens
        read_modalities(call, member(usage, "input_token_details"), None)


ENDPOINTS: Mapping[str, Endpoint] = {
    "/audio/speech": Speech(),
    "/audio/transcriptions": Transcriptions(),
    "/audio/translations": Translations(),
    "/moderations": Moderations(),
}
