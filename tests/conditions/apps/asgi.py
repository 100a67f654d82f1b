"""A chat service as people write one for uvicorn."""

from __future__ import annotations

import json
import os
from urllib.parse import unquote

import openai

if "BY_HAND" in os.environ:
    import rlhf_otel

    rlhf_otel.instrument()

client = openai.AsyncOpenAI(max_retries=0)
VERSION = "one"


async def answer(prompt):
    """Asks the model; what begins with "stream" is streamed."""
    streams = prompt.startswith("stream")
    made = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": prompt}], stream=streams
    )
    if not streams:
        return made.choices[0].message.content
    return "".join([chunk.choices[0].delta.content or "" async for chunk in made if chunk.choices])


async def application(scope, receive, send):
    """Answers the prompt in the query; without the launcher it flushes when it is shut down."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if "BY_HAND" in os.environ:
            rlhf_otel.flush(timeout=60)
        await send({"type": "lifespan.shutdown.complete"})
        return
    said = await answer(unquote(scope["query_string"].decode()))
    body = json.dumps({"answer": said, "process": os.getpid(), "version": VERSION}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
