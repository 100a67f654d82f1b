"""The contract's table for what openai says in pictures, sounds, videos and flags, and for compaction."""

from __future__ import annotations

import base64

from rlhf_otel.testing import Reply, Usage

from . import shapes
from .contract import CAT, PICTURE, PIXEL, Case, Talk, answered, text, user

FILE = ("cat.png", base64.b64decode(PIXEL), "image/png")
SOUND = ("hello.mp3", b"RIFFWAVE")
_SOUND_HASH = "6359de82a9962ffb4ed8b85617a3a9538c4b1bcf81054fb201a47e09effac539"  # of the eight bytes, from sha256sum
HEARD = {"type": "uri", "modality": "audio", "uri": f"sha256:{_SOUND_HASH}", "byte_size": 8, "mime_type": "audio/mpeg"}


def _span(operation, model=None, **more):
    made = {
        "gen_ai.operation.name": operation, "gen_ai.provider.name": "openai", "server.address": "127.0.0.1",
        "http.response.header.x-request-id": ["req-a"], "http.response.header.openai-processing-ms": ["5"], **more,
    }  # fmt: skip
    return made if model is None else {**made, "gen_ai.request.model": model}


def _reply(**more):
    return Reply(**{"usage": Usage(input=50, output=20), "headers": {"x-request-id": "req-a"}, **more})


_COUNTS = {"gen_ai.usage.input_tokens": 50, "gen_ai.usage.output_tokens": 20}
_OF_TEXT, _OF_SOUND = {"gen_ai.usage.text.input_tokens": 50}, {"gen_ai.usage.audio.input_tokens": 50}


def _image(**more):
    return _span("image_generation", "gpt-image-1", **{"gen_ai.output.type": "image", **_COUNTS, **_OF_TEXT, **more})


IMAGE = Talk(
    name="image",
    ask={"model": "gpt-image-1", "prompt": "A cat.", "n": 2, "size": "1024x1024"},
    reply=_reply(),
    span_name="image_generation gpt-image-1",
    attributes=_image(**{"gen_ai.request.choice.count": 2}),
    content={"input": [user("A cat.")], "output": [answered(None, PICTURE), answered(None, PICTURE)]},
)
ADDRESS = Talk(
    name="address",
    ask={"model": "dall-e-3", "prompt": "A cat.", "response_format": "url"},
    reply=_reply(text="A tabby cat."),
    span_name="image_generation dall-e-3",
    attributes=_span("image_generation", "dall-e-3", **{"gen_ai.output.type": "image"}),
    content={"input": [user("A cat.")], "output": [answered(None, {
        "type": "uri", "modality": "image", "uri": "https://images.example/1.png", "revised_prompt": "A tabby cat."})]},
)  # fmt: skip
SKETCHES = Talk(
    name="sketches",
    ask={"model": "gpt-image-1", "prompt": "A cat.", "partial_images": 2},
    reply=_reply(),
    span_name="image_generation gpt-image-1",
    attributes=_image(),
    content={"input": [user("A cat.")], "output": [answered(None, PICTURE)]},
    chunks=3,
)
EDIT = Talk(
    name="edit",
    ask={"model": "gpt-image-1", "prompt": "A dog.", "image": [FILE, FILE], "partial_images": 1},
    reply=_reply(),
    span_name="image_generation gpt-image-1",
    attributes=_image(),
    content={
        "input": [{"role": "user", "parts": [text("A dog."), PICTURE, PICTURE]}],
        "output": [answered(None, PICTURE)],
    },
    chunks=2,
)
VARIATION = Talk(
    name="variation",
    ask={"model": "dall-e-2", "image": FILE},
    reply=_reply(),
    span_name="image_generation dall-e-2",
    attributes=_span("image_generation", "dall-e-2", **{"gen_ai.output.type": "image", **_COUNTS, **_OF_TEXT}),
    content={"input": [{"role": "user", "parts": [PICTURE]}], "output": [answered(None, PICTURE)]},
)

SPEECH = Talk(
    name="speech",
    ask={"model": "tts-1", "voice": "alloy", "input": "Hello.", "instructions": "Warmly."},
    reply=_reply(media=b"RIFFWAVE"),
    span_name="speech tts-1",
    attributes=_span("speech", "tts-1", **{"gen_ai.output.type": "speech"}),
    content={"system": [text("Warmly.")], "input": [user("Hello.")], "output": [answered(None, HEARD)]},
)


def _heard(operation, name, ask, said, *, counts=_COUNTS | _OF_SOUND, chunks=0, **more):
    return Talk(
        name=name,
        ask={"model": "whisper-1", "file": SOUND, **ask},
        reply=_reply(text="Hello there."),
        span_name=f"{operation} whisper-1",
        attributes=_span(operation, "whisper-1", **{"gen_ai.output.type": "text", **counts, **more}),
        content={"input": [{"role": "user", "parts": [HEARD]}], "output": [answered(None, text(said))]},
        chunks=chunks,
    )


TRANSCRIPT = _heard("transcription", "json", {"temperature": 0.5}, "Hello there.",
                    chunks=3, **{"gen_ai.request.temperature": 0.5})  # fmt: skip
PLAIN_TEXT = _heard("transcription", "text", {"response_format": "text"}, "Hello there.\n", counts={})
SUBTITLES = _heard("transcription", "srt", {"response_format": "srt"},
                   "1\n00:00:00,000 --> 00:00:02,000\nHello there.\n\n", counts={})  # fmt: skip
VERBOSE = _heard("transcription", "verbose", {"response_format": "verbose_json"}, "Hello there.", counts={})
TRANSLATED = _heard("translation", "json", {}, "Hello there.", counts={})

FLAGGED = {"type": "moderation", "flagged": True, "categories": ["hate", "self_harm_intent"], "scores": {
    "harassment": 0.01, "harassment_threatening": 0.01, "hate": 0.9, "hate_threatening": 0.01, "illicit": 0.01,
    "illicit_violent": 0.01, "self_harm": 0.01, "self_harm_instructions": 0.01, "self_harm_intent": 0.9,
    "sexual": 0.01, "sexual_minors": 0.01, "violence": 0.01, "violence_graphic": 0.01}}  # fmt: skip


def _moderation(name, asked, said, judgements):
    return Talk(
        name=name,
        ask={"model": "omni-moderation-latest", "input": asked},
        reply=_reply(id="modr-a", flagged=("hate", "self-harm/intent")),
        span_name="moderation omni-moderation-latest",
        attributes=_span("moderation", "omni-moderation-latest", **{
            "gen_ai.response.id": "modr-a", "gen_ai.response.model": "omni-moderation-latest"}),
        content={"input": said, "output": [answered(None, FLAGGED)] * judgements},
    )  # fmt: skip


TEXTS = _moderation("texts", ["One.", "Two."], [user("One."), user("Two.")], 2)
MIXED = _moderation(
    "mixed",
    [{"type": "text", "text": "This?"}, {"type": "image_url", "image_url": {"url": CAT}}],
    [{"role": "user", "parts": [text("This?"), {"type": "uri", "modality": "image", "uri": CAT}]}],
    1,
)

VIDEO = Talk(
    name="video",
    ask={"model": "sora-2", "prompt": "A cat runs.", "input_reference": FILE},
    reply=_reply(id="video_a"),
    span_name="video_generation sora-2",
    attributes=_span("video_generation", "sora-2", **{
        "gen_ai.output.type": "video", "gen_ai.response.id": "video_a", "gen_ai.response.model": "sora-2"}),
    content={"input": [{"role": "user", "parts": [text("A cat runs."), PICTURE]}]},
)  # fmt: skip
REMIX = Talk(
    name="remix",
    ask={"video_id": "video_a", "prompt": "At night."},
    reply=_reply(id="video_b"),
    span_name="video_generation",
    attributes=_span("video_generation", **{
        "gen_ai.output.type": "video", "gen_ai.response.id": "video_b", "gen_ai.response.model": "sora-2"}),
    content={"input": [user("At night.")]},
)  # fmt: skip

DECIDED = Talk(
    name="decision",
    ask={"model": "gpt-5", "input": "It rains.", "questions": [
        {"type": "predicate", "name": "wet", "instructions": "Is it wet?"},
        {"type": "choice", "name": "what", "instructions": [{"type": "input_text", "text": "Take what?"}],
         "choices": [{"value": "umbrella"}, {"value": "hat"}]},
    ]},
    reply=_reply(),
    span_name="decision gpt-5",
    attributes=_span("decision", "gpt-5", **_COUNTS, **{
        "gen_ai.response.model": "gpt-5", "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.usage.reasoning.output_tokens": 0}),
    content={
        "system": [text("Is it wet?"), text("Take what?")],
        "input": [user("It rains.")],
        "output": [answered(
            None,
            {"type": "decision", "kind": "predicate", "name": "wet", "probability": 0.9, "content": 0.9},
            {"type": "decision", "kind": "choice", "name": "what", "choice": "umbrella", "confidence": 0.9,
             "probabilities": [{"value": "umbrella", "probability": 0.9}], "content": "umbrella"},
        )],
    },
)  # fmt: skip
COMPACTED = Talk(
    name="compaction",
    ask={"model": "gpt-5", "input": [{"role": "user", "content": "Capital of France?"}], "instructions": "Be brief."},
    reply=_reply(id="resp-c"),
    span_name="compaction gpt-5",
    attributes=_span("compaction", "gpt-5", **_COUNTS, **{
        "openai.api.type": "responses", "gen_ai.response.id": "resp-c",
        "gen_ai.usage.cache_read.input_tokens": 0, "gen_ai.usage.reasoning.output_tokens": 0}),
    content={
        "system": [text("Be brief.")], "input": [user("Capital of France?")],
        "output": [answered(None, text("Capital of France?"), {"type": "compaction", "id": "cmp_resp-c"})],
    },
)  # fmt: skip
COUNTED = Talk(
    name="count",
    ask={"model": "gpt-5", "input": "Capital of France?"},
    reply=_reply(),
    span_name="count_tokens gpt-5",
    attributes=_span("count_tokens", "gpt-5", **{"openai.api.type": "responses", "gen_ai.usage.input_tokens": 50}),
    content={"input": [user("Capital of France?")]},
)


def _case(path, way, talk, **more):
    return Case(sdk="openai", path=path, way=way, talk=talk, **more)


_SAY, _HEAR = "audio.speech", "audio.transcriptions"
CASES = [
    *[_case("images.generate", shapes.plain, talk) for talk in (IMAGE, ADDRESS)],
    _case("images.generate", shapes.stream, SKETCHES),
    _case("images.with_raw_response.generate", shapes.raw, IMAGE),
    _case("images.with_streaming_response.generate", shapes.streaming_bytes, SKETCHES),
    _case("images.edit", shapes.plain, EDIT),
    _case("images.edit", shapes.stream, EDIT),
    _case("images.create_variation", shapes.plain, VARIATION),
    _case(f"{_SAY}.create", shapes.binary, SPEECH),
    _case(f"{_SAY}.with_raw_response.create", shapes.raw_binary, SPEECH),
    _case(f"{_SAY}.with_streaming_response.create", shapes.streaming_binary, SPEECH),
    *[_case(f"{_HEAR}.create", shapes.plain, talk) for talk in (TRANSCRIPT, VERBOSE)],
    *[_case(f"{_HEAR}.create", shapes.words, talk) for talk in (PLAIN_TEXT, SUBTITLES)],
    _case(f"{_HEAR}.create", shapes.stream, TRANSCRIPT),
    _case(f"{_HEAR}.with_raw_response.create", shapes.raw_words, SUBTITLES),
    _case(f"{_HEAR}.with_streaming_response.create", shapes.streaming_lines, TRANSCRIPT),
    _case("audio.translations.create", shapes.plain, TRANSLATED),
    *[_case("moderations.create", shapes.plain, talk) for talk in (TEXTS, MIXED)],
    _case("moderations.with_raw_response.create", shapes.raw, MIXED),
    _case("videos.create", shapes.plain, VIDEO),
    _case("videos.remix", shapes.plain, REMIX),
    _case("decisions.create", shapes.plain, DECIDED),
    _case("responses.compact", shapes.plain, COMPACTED),
    _case("beta.responses.compact", shapes.plain, COMPACTED),
    _case("responses.input_tokens.count", shapes.plain, COUNTED),
]  # fmt: skip
