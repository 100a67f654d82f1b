"""A chat service as people write one for gunicorn: the client is made when the module is imported."""

from __future__ import annotations

import json
import os
from urllib.parse import unquote

import openai

if "BY_HAND" in os.environ:
    import rlhf_otel

    rlhf_otel.instrument()

client = openai.OpenAI(max_retries=0)


def answer(client, prompt, *, stream):
    """Asks the model, in one piece or as a stream."""
    made = client.chat.completions.create(model="m", messages=[{"role": "user", "content": prompt}], stream=stream)
    if not stream:
        return made.choices[0].message.content
    return "".join(chunk.choices[0].delta.content or "" for chunk in made if chunk.choices)


if "WARM_UP" in os.environ:
    # Before the server forks: a span is queued, a stream has been read, and threads of ours may run.
    with openai.OpenAI(max_retries=0) as first:
        answer(first, os.environ["WARM_UP"], stream=True)


def application(environ, start_response):
    """Answers the prompt in the query; what begins with "stream" is streamed from the model."""
    prompt = unquote(environ["QUERY_STRING"])
    said = answer(client, prompt, stream=prompt.startswith("stream"))
    start_response("200 OK", [("content-type", "application/json")])
    return [json.dumps({"answer": said, "process": os.getpid()}).encode()]
