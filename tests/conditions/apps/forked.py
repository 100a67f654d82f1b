"""A program that forks while streams are open and spans are queued, and asks on both sides."""

from __future__ import annotations

import os
import sys

import openai

if "BY_HAND" in os.environ:
    import rlhf_otel

    rlhf_otel.instrument()


def ask(client, prompt, *, stream=False):
    """One call; a stream is given back unread."""
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": prompt}], stream=stream)


mine = openai.OpenAI(max_retries=0)
ask(mine, "queued")
open_stream = ask(mine, "stream open at the fork", stream=True)
next(open_stream)
child = os.fork()
if child == 0:
    with openai.OpenAI(max_retries=0) as own:
        ask(own, "child plain")
        "".join(chunk.choices[0].delta.content or "" for chunk in ask(own, "child stream", stream=True))
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
for _ in open_stream:
    pass
ask(mine, "parent")
