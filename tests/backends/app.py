"""An application that makes two calls, one of which fails, and says what it thinks of the other.

Prints a line of JSON with the ids of the call that was answered.
"""

from __future__ import annotations

import contextlib
import json

import openai

import rlhf_otel as rlhf
from rlhf_otel import feedback

client = openai.OpenAI(max_retries=0)
with rlhf.context(session="conv-42", user="u1"):
    answer = client.chat.completions.create(
        model="gpt-5-mini",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How long does an egg take?"},
        ],
    )
call = rlhf.handle(answer)
assert call is not None
given = feedback.record(call, True, name="helpful", comment="good", rater="u1")
with contextlib.suppress(openai.OpenAIError):
    client.chat.completions.create(model="no-such-model", messages=[{"role": "user", "content": "Hi"}])
said = answer.choices[0].message.content
print(json.dumps({"trace": call.trace_id, "span": call.span_id, "said": said, "feedback": given and given.id}))
