"""A program on gevent that asks from many greenlets at once, patched before or after the client library is there."""

from __future__ import annotations

import sys

if sys.argv[1] in ("late", "after a call"):
    import openai
if sys.argv[1] == "after a call":
    ask = [{"role": "user", "content": sys.argv.pop()}]
    openai.OpenAI(max_retries=0).chat.completions.create(model="m", messages=ask)
from gevent import monkey

if sys.argv[1] != "by the launcher":
    monkey.patch_all()
assert monkey.is_module_patched("threading")

import gc  # noqa: E402

import gevent  # noqa: E402
import openai  # noqa: E402

import rlhf_otel  # noqa: E402

client = openai.OpenAI(max_retries=0)


def ask(prompt):
    """One call; some are streams, and some of those are forgotten after their first word."""
    streams = prompt.startswith("stream")
    made = client.chat.completions.create(model="m", messages=[{"role": "user", "content": prompt}], stream=streams)
    for _ in made if streams else ():
        if prompt.endswith("0"):
            break


gevent.joinall([gevent.spawn(ask, prompt) for prompt in sys.argv[2:]], raise_error=True, timeout=100)
gc.collect()
assert rlhf_otel.flush(30), rlhf_otel.stats()
