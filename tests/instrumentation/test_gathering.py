"""What a stream says is gathered whole, however a server cuts it up, and in little room."""

from __future__ import annotations

import json

import pytest

from rlhf_otel import instrumentation
from rlhf_otel.instrumentation import parts
from rlhf_otel.testing import Reply, capture


def events(*deltas: dict[str, str]) -> str:
    """A stream of chat chunks with these deltas."""
    base = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    chunks = [{**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_a_delta_may_carry_reasoning_and_text_at_once(name: str, llm, clients) -> None:
    """Compatible servers put the last thought and the first word into one chunk; neither is lost."""
    stream = events({name: "Hm"}, {name: "m.", "content": "Pa"}, {"content": "ris."})
    llm.script(Reply(raw=stream, headers={"content-type": "text/event-stream"}))
    instrumentation.switch_on()
    with capture() as captured:
        ask = {"model": "m", "messages": [{"role": "user", "content": "?"}], "stream": True}
        list(clients["openai", "sync"].chat.completions.create(**ask))
        (span,) = captured.spans
    said = json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"]
    assert said == [{"type": "reasoning", "content": "Hmm."}, {"type": "text", "content": "Paris."}]


def test_pieces_are_joined_before_there_are_many() -> None:
    """However many pieces a stream has, only a few strings are kept, and together they are the text."""
    pieces: list[str] = []
    for number in range(1000):
        parts.gather(pieces, str(number))
    assert "".join(pieces) == "".join(map(str, range(1000)))
    assert len(pieces) < parts.MANY
