"""A program that asks, rates what it gets and says what it did: a line of JSON for each interaction.

    chat.py COUNT [SECONDS_BETWEEN] [CHARACTERS]

With a count of 0 it goes on until its standard input is closed.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time

import openai

import rlhf_otel as rlhf
from rlhf_otel import feedback

count = int(sys.argv[1])
between = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
size = int(sys.argv[3]) if len(sys.argv) > 3 else 0
client = openai.OpenAI(max_retries=0)
wanted = threading.Thread(target=sys.stdin.read, daemon=True)
wanted.start()
for number in range(count) if count else itertools.count():
    if not count and not wanted.is_alive():
        break
    prompt = f"question {number} " + "x" * size
    answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": prompt}])
    handle = rlhf.handle(answer)
    rated = feedback.record(handle, number % 2 == 0, comment=f"rated {number}")
    print(json.dumps({"trace": handle.trace_id, "span": handle.span_id, "feedback": rated.id, "prompt": prompt}))
    time.sleep(between)
if not rlhf.flush(timeout=300):
    sys.exit("not all was taken")
