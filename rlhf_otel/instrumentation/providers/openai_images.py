"""Pictures and videos of openai: made, edited, varied, fetched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation import parts, uploads
from rlhf_otel.instrumentation.bodies import Media, MediaReader, member, whole_media
from rlhf_otel.instrumentation.providers.openai_background import waiting
from rlhf_otel.instrumentation.providers.openai_dialects import read_modalities
from rlhf_otel.instrumentation.providers.openai_stored import read_id
from rlhf_otel.instrumentation.providers.plain import Plain

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.endpoint import Endpoint
    from rlhf_otel.records import Part


class Images:
    """`/images/generations`."""

    operation = semconv.IMAGE_GENERATION

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the prompt and the pictures that were sent with it."""
        call.attributes[semconv.OUTPUT_TYPE] = "image"
        if (n := body.get("n")) not in (None, 1):
            call.attributes[semconv.REQUEST_CHOICE_COUNT] = n
        call.input = _asked(body)

    def response(self, call: Call, result: Any) -> None:
        """Reads each picture as a message of its own, and the usage."""
        mime_type = f"image/{member(result, 'output_format') or 'png'}"
        _read_usage(call, member(result, "usage"))
        call.output = [parts.message("assistant", [_picture(image, mime_type)]) for image in result.data or ()]

    def new_state(self) -> list[Any]:
        """The finished pictures."""
        return []

    def chunk(self, call: Call, state: list[Any], chunk: Any) -> None:
        """Reads one event; a sketch of the picture is the first that anybody sees."""
        kind = str(chunk.type)
        if kind.endswith(".partial_image"):
            call.token()
        elif kind.endswith(".completed"):
            call.token()
            call.complete = True
            _read_usage(call, member(chunk, "usage"))
            made = _picture(chunk, f"image/{chunk.output_format or 'png'}")
            state.append(parts.message("assistant", [made]))
        elif kind == "error":
            error = member(chunk, "error") or chunk
            call.failure = (str(error.code or "error"), str(error.message))

    def end(self, call: Call, state: list[Any]) -> None:
        """Hands over what was finished."""
        call.output = state


class ImageEdits(Images):
    """`/images/edits` and `/images/variations`: forms with files."""

    def read_options(self, call: Call, options: Any) -> None:
        """Reads the fields, and describes the files where they lie."""
        call.asked(_form(options))


class Videos(Plain):
    """`/videos` and what changes one: a job, whose video is fetched later."""

    operation = semconv.VIDEO_GENERATION

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the prompt and the picture to begin with."""
        call.attributes[semconv.OUTPUT_TYPE] = "video"
        call.input = _asked(body)
        waiting.keep(call)

    def response(self, call: Call, result: Any) -> None:
        """Reads the job."""
        call.response_id, call.response_model = result.id, result.model
        if (error := member(result, "error")) is not None:
            call.failure = (str(error.code), str(error.message))
        else:
            waiting.add(call)


class VideoForms(Videos):
    """The ones that are forms with files."""

    def read_options(self, call: Call, options: Any) -> None:
        """Reads the fields, and describes the files where they lie."""
        call.asked(_form(options))


class VideoJob(Plain):
    """`GET /videos/{id}`: how far it is."""

    operation = semconv.FETCH_RESPONSE

    def read_options(self, call: Call, options: Any) -> None:
        """Reads the id."""
        read_id(call, options)

    def response(self, call: Call, result: Any) -> None:
        """Reads the job."""
        call.response_model = result.model
        if (error := member(result, "error")) is not None:
            call.failure = (str(error.code), str(error.message))


class VideoContent(Plain):
    """`GET /videos/{id}/content`: the video itself."""

    operation = semconv.FETCH_RESPONSE
    reader = MediaReader

    def read_options(self, call: Call, options: Any) -> None:
        """Reads the id."""
        read_id(call, options)

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """There is no body; the prompt was in the call that made the video."""
        waiting.give(call)

    def response(self, call: Call, result: Any) -> None:
        """Reads size and hash."""
        if waiting.holds(video := call.attributes.get(semconv.RESPONSE_ID)):
            call.response_id = video
        media = result if isinstance(result, Media) else whole_media(call, result.response)
        call.output = [parts.message("assistant", [media.part("video")])]


def _form(options: Any) -> dict[str, Any]:
    described = [
        uploads.described("video" if name == "video" else "image", file) for name, file in uploads.files(options)
    ]
    return {**uploads.fields(options), "files": described}


def _asked(body: Mapping[str, Any]) -> list[Any]:
    given: list[Part] = [parts.text(prompt)] if (prompt := body.get("prompt")) else []
    given += [part for part in body.get("files") or () if isinstance(part, dict)]
    if isinstance(video := body.get("video"), Mapping):
        given.append(parts.file("video", video.get("id")))
    reference = body.get("input_reference")
    if isinstance(reference, Mapping):
        held = reference.get("file_id")
        given.append(parts.file("image", held) if held else parts.media("image", reference.get("image_url")))
    return [parts.message("user", given)] if given else []


def _picture(image: Any, mime_type: str) -> Part:
    url = member(image, "url")
    part = parts.media("image", url or image.b64_json, None if url else mime_type)
    if revised := member(image, "revised_prompt"):
        part["revised_prompt"] = revised
    return part


def _read_usage(call: Call, usage: Any) -> None:
    if usage is not None:
        call.input_tokens, call.output_tokens = usage.input_tokens, usage.output_tokens
        read_modalities(call, member(usage, "input_tokens_details"), member(usage, "output_tokens_details"))


ENDPOINTS: Mapping[str, Endpoint] = {
    "/images/generations": Images(),
    "/images/edits": ImageEdits(),
    "/images/variations": ImageEdits(),
    "/videos": VideoForms(),
    "/videos/edits": VideoForms(),
    "/videos/extensions": VideoForms(),
}
TEMPLATES: Mapping[tuple[str, str], Endpoint] = {
    ("POST", "/videos/{}/remix"): Videos(),
    ("GET", "/videos/{}"): VideoJob(),
    ("GET", "/videos/{}/content"): VideoContent(),
}
