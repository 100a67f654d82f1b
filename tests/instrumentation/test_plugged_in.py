"""Processors and listeners may call models themselves: a judge, a redactor."""

from __future__ import annotations

import pytest

import rlhf_otel as rlhf
from rlhf_otel import instrumentation
from rlhf_otel.testing import capture

ASK = {"model": "m", "messages": [{"role": "user", "content": "?"}]}


@pytest.mark.parametrize("plug", [rlhf.add_processor, lambda judge: rlhf.on("interaction", judge)])
def test_a_judge_is_not_judged(plug, llm, clients) -> None:
    """What a processor or listener asks a model is not recorded, and so does not call it again."""
    client = clients["openai", "sync"]
    remove = plug(lambda interaction: client.chat.completions.create(**ASK) and None)
    instrumentation.switch_on()
    try:
        with capture() as captured:
            client.chat.completions.create(**ASK)
    finally:
        remove()
    assert len(llm.requests) == 2
    assert len(captured.interactions) == 1
