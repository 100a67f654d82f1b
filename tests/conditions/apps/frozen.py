"""A function as a serverless platform runs it: it is frozen between its invocations, whatever its threads are doing."""

from __future__ import annotations

import sys

import openai

import rlhf_otel

client = openai.OpenAI(max_retries=0)


def handler(event):
    """One invocation, which delivers what it recorded before it returns."""
    try:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": event}])
    finally:
        if not event.startswith("unflushed"):
            assert rlhf_otel.flush(timeout=60)


for line in sys.stdin:
    handler(line.strip())
    print("returned", line.strip(), flush=True)
