"""The OpenAI wire format of pictures, sounds, videos, moderations and decisions."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from rlhf_otel.testing.reply import Usage
from rlhf_otel.testing.wire import Body, Endpoint, Event, Json, data_event, error_body, named_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rlhf_otel.testing.reply import Reply, Request

_SOUNDS = {"mp3": "audio/mpeg", "opus": "audio/opus", "aac": "audio/aac", "flac": "audio/flac", "wav": "audio/wav",
           "pcm": "audio/pcm"}  # fmt: skip
_CATEGORIES = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip
_SPEAKS_OF_IMAGES = ("self-harm", "self-harm/instructions", "self-harm/intent", "sexual", "violence",
                     "violence/graphic")  # fmt: skip


# --- Pictures -----------------------------------------------------------------------------------------------------


def images(reply: Reply, request: Request) -> Json:
    """As many pictures as were asked for, inline or by address."""
    form = request.body.get("output_format") or "png"
    made: Json = {"created": int(request.time), "data": [_image(reply, request)] * int(request.body.get("n") or 1)}
    if request.body.get("response_format") == "url":
        return made
    made.update(background="opaque", output_format=form, quality="high", size="1024x1024")
    if reply.usage is not None:
        made["usage"] = _image_usage(reply)
    return made


def image_stream(reply: Reply, request: Request) -> Iterator[Event]:
    """The sketches that were asked for, then the picture."""
    prefix = "image_edit" if request.path.endswith("/edits") else "image_generation"
    form = request.body.get("output_format") or "png"
    common = {"b64_json": _encoded(reply), "created_at": int(request.time), "size": "1024x1024", "quality": "high",
              "background": "opaque", "output_format": form}  # fmt: skip
    for index in range(int(request.body.get("partial_images") or 0)):
        yield named_event({"type": f"{prefix}.partial_image", **common, "partial_image_index": index}, content=True)
    last = {"type": f"{prefix}.completed", **common, "usage": _image_usage(reply)}
    yield named_event(last, content=True)


def _image(reply: Reply, request: Request) -> Json:
    if request.body.get("response_format") == "url":
        image: Json = {"url": "https://images.example/1.png"}
        return {**image, "revised_prompt": reply.text} if isinstance(reply.text, str) else image
    return {"b64_json": _encoded(reply)}


def _image_usage(reply: Reply) -> Json | None:
    if (usage := reply.usage) is None:
        return None
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"text_tokens": usage.input, "image_tokens": 0},
        "output_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }


def _encoded(reply: Reply) -> str:
    return base64.b64encode(reply.media).decode()


# --- Sounds -------------------------------------------------------------------------------------------------------


def speech(reply: Reply, request: Request) -> Body:
    """The sound, in the format that was asked for."""
    return Body(_SOUNDS[request.body.get("response_format") or "mp3"], reply.media)


def transcription(reply: Reply, request: Request) -> Json | Body:
    """The text, as JSON, as more JSON or plain, as was asked for."""
    form = request.body.get("response_format") or "json"
    said = reply.answer()
    if form in ("text", "srt", "vtt"):
        lines = {"text": f"{said}\n", "srt": f"1\n00:00:00,000 --> 00:00:02,000\n{said}\n\n",
                 "vtt": f"WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n{said}\n\n"}  # fmt: skip
        return Body("text/plain; charset=utf-8", lines[form].encode())
    if form == "verbose_json":
        segment = {"id": 0, "seek": 0, "start": 0.0, "end": 2.0, "text": said, "tokens": [1], "temperature": 0.0,
                   "avg_logprob": -0.1, "compression_ratio": 1.0, "no_speech_prob": 0.0}  # fmt: skip
        more = {"task": "transcribe", "language": "english", "duration": 2.0, "segments": [segment]}
        return {**more, "text": said, "usage": {"type": "duration", "seconds": 2}}
    return {"text": said} if request.path.endswith("/translations") else {"text": said, **_token_usage(reply)}


def transcript_stream(reply: Reply, request: Request) -> Iterator[Event]:
    """The text piece by piece, then all of it."""
    said = reply.answer()
    for piece in reply.pieces(said):
        yield data_event({"type": "transcript.text.delta", "delta": piece}, content=True)
    yield data_event({"type": "transcript.text.done", "text": said, **_token_usage(reply)})


def _token_usage(reply: Reply) -> Json:
    if (usage := reply.usage) is None:
        return {}
    details = {"text_tokens": 0, "audio_tokens": usage.input}
    counts = {"input_tokens": usage.input, "output_tokens": usage.output, "total_tokens": usage.input + usage.output}
    return {"usage": {"type": "tokens", "input_token_details": details, **counts}}


# --- Videos -------------------------------------------------------------------------------------------------------


def video_job(reply: Reply, request: Request) -> Json:
    """A job that has just been taken on, or one that is done."""
    done = request.method == "GET"
    failed = done and reply.finish_reason == "error"
    asked_for = request.path.rpartition("/videos/")[2].partition("/")[0]
    return {
        "id": asked_for if done else reply.id or f"video_{request.number}",
        "object": "video", "created_at": int(request.time), "completed_at": int(request.time) if done else None,
        "status": "failed" if failed else "completed" if done else "queued", "progress": 100 if done else 0,
        "error": {"code": "moderation_blocked", "message": "no"} if failed else None,
        "expires_at": None, "model": reply.model or request.body.get("model") or "sora-2",
        "prompt": request.body.get("prompt"), "remixed_from_video_id": None,
        "seconds": str(request.body.get("seconds") or 4), "size": request.body.get("size") or "720x1280",
    }  # fmt: skip


def video_content(reply: Reply, request: Request) -> Body:
    """The video."""
    return Body("video/mp4", reply.media)


# --- Moderations --------------------------------------------------------------------------------------------------


def moderations(reply: Reply, request: Request) -> Json:
    """A judgement on each text, or on all the parts together."""
    given = request.body.get("input")
    count = len(given) if isinstance(given, list) and all(isinstance(one, str) for one in given) else 1
    name = reply.model or request.body.get("model") or "omni-moderation-latest"
    return {"id": reply.id or f"modr-{request.number}", "model": name, "results": [_judgement(reply)] * count}


def _judgement(reply: Reply) -> Json:
    return {
        "flagged": bool(reply.flagged),
        "categories": {name: name in reply.flagged for name in _CATEGORIES},
        "category_scores": {name: 0.9 if name in reply.flagged else 0.01 for name in _CATEGORIES},
        "category_applied_input_types": {
            name: ["text", "image"] if name in _SPEAKS_OF_IMAGES else ["text"] for name in _CATEGORIES
        },
    }


def decisions(reply: Reply, request: Request) -> Json:
    """The first of the choices, a score in the middle, and a yes that is nearly certain."""
    usage = reply.usage or Usage()
    details = {"input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
               "output_tokens_details": {"reasoning_tokens": usage.reasoning}}  # fmt: skip
    counts = {"input_tokens": usage.input, "output_tokens": usage.output, "total_tokens": usage.input + usage.output}
    answers = [_decision(question) for question in request.body.get("questions") or ()]
    return {"answers": answers, "model": reply.model or request.model, "usage": {**counts, **details}}


def _decision(question: Json) -> Json:
    named = {"type": question["type"], "name": question.get("name")}
    if question["type"] == "predicate":
        return {**named, "probability": 0.9}
    if question["type"] == "choice":
        value = question["choices"][0]["value"]
        return {**named, "choice": value, "confidence": 0.9, "probabilities": [{"value": value, "probability": 0.9}]}
    return {**named, "score": 0.5, "confidence": 0.9, "probabilities": []}


def error_event(reply: Reply, request: Request, events_before: int) -> Event:
    """How a stream that has begun tells of an error."""
    return named_event({"type": "error", **error_body("openai", reply, request)})


def _post(path: str, plain: object, stream: object = None) -> Endpoint:
    return Endpoint(method="POST", path=path, plain=plain, stream=stream, error_event=error_event)  # type: ignore[arg-type]


ENDPOINTS = (
    _post("/images/generations", images, image_stream),
    _post("/images/edits", images, image_stream),
    _post("/images/variations", images),
    _post("/audio/speech", speech),
    _post("/audio/transcriptions", transcription, transcript_stream),
    _post("/audio/translations", transcription),
    _post("/videos", video_job),
    _post("/videos/edits", video_job),
    _post("/videos/extensions", video_job),
    _post("/videos/{id}/remix", video_job),
    _post("/moderations", moderations),
    _post("/decisions", decisions),
    Endpoint(method="GET", path="/videos/{id}/content", plain=video_content),
    Endpoint(method="GET", path="/videos/{id}", plain=video_job),
)
