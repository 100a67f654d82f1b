"""What is kept of batches is bounded, and joined on the export thread too."""

from __future__ import annotations

import json
from typing import Any

from rlhf_otel import instrumentation
from rlhf_otel.export import setup
from rlhf_otel.instrumentation.batches import Memory
from rlhf_otel.testing import Reply

from .contract import user


def test_questions_are_kept_within_a_bound() -> None:
    """The oldest questions are forgotten first, one that is too long at once, and each is given out once."""
    memory = Memory(most_bytes=10)
    for name, body in (("a", b"12345"), ("b", b"12345"), ("a", b"1234"), ("c", b"12"), ("d", b"x" * 11)):
        memory.keep("batch", name, "m" if name == "a" else None, body)
    assert memory.take("batch", "c") == (None, None)
    memory.keep("batch", "e", "m", b"1234567890")
    assert memory.take("other", "e") == (None, None)
    assert memory.take("batch", "e") == ("m", b"1234567890")
    assert memory.take("batch", "e") == (None, None)


def test_the_oldest_answers_are_forgotten() -> None:
    """Of so many answers it is known that they have been recorded, and no more."""
    memory = Memory(most_answers=2)
    assert [memory.is_new("batch", name) for name in ("a", "b", "a", "c", "b", "a")] == [
        True, True, False, True, False, True,
    ]  # fmt: skip


def test_questions_are_joined_on_the_export_thread(llm, clients, mode) -> None:
    """On either kind of provider the result of a batch has the question that this process asked."""
    messages: Any = [{"role": "user", "content": "One?"}]
    asked: Any = {"model": "claude", "max_tokens": 9, "messages": messages}
    client = clients["anthropic", "sync"]
    resource = getattr(client.messages, "batches", client.beta.messages.batches)  # the beta is older
    llm.script(Reply(text="1."))
    with mode() as kept:
        instrumentation.switch_on()
        batch = resource.create(requests=[{"custom_id": "a", "params": asked}])
        messages[0]["content"] = "changed since"
        setup.flush(5)
        if hasattr(resource.with_streaming_response, "results"):
            with resource.with_streaming_response.results(batch.id) as response:
                assert b"".join(response.iter_bytes()).count(b"custom_id") == 1
        else:
            assert len(list(resource.results(batch.id))) == 1
        (span,) = [span for span in kept.spans if "rlhf.batch.custom_id" in span.attributes]
    assert (span.name, json.loads(span.attributes["gen_ai.input.messages"])) == ("chat claude", [user("One?")])
