"""What people complain about in other instrumentations, 35: scores that sampling drops, or that bypass it."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import rlhf_otel as rlhf
from rlhf_otel import feedback
from rlhf_otel.testing import FakeLLM
from tests.acceptance.test_calls import ASK

CALLS, RATED = 200, 40
WAYS = ("response", "span", "message", "turn", "token")


def rate(way: str, place: int, answer: Any) -> None:
    """Says something of the answer in this place by one of the ids that it has."""
    given: dict[str, Any] = {
        "response": {"target": answer},
        "span": {"span_id": rlhf.handle(answer).span_id},
        "message": {"message": f"m{place}"},
        "turn": {"session": f"s{place // 4}", "turn": place % 4},
        "token": {"target": rlhf.handle(answer).token(rater="u")},
    }[way]
    assert feedback.record(given.pop("target", None), place, kind="custom", rater="u", **given) is not None


def test_35_a_rated_call_is_kept_whole_however_few_are_sampled(clients: Any, llm: FakeLLM) -> None:
    """Of 200 calls at 1 %, all that are rated are stored with prompt, answer and vote, by any id; all counts add up."""
    rlhf.clear()
    rlhf.instrument(sample_rate=0.01, detect_signals=False)
    ask = clients["openai", "sync"].chat.completions.create
    answers = []
    for place in range(CALLS):
        with rlhf.context(session=f"s{place // 4}", message=f"m{place}"):
            asked = {**ASK, "messages": [{"role": "user", "content": f"question {place}"}]}
            answers.append(ask(**asked))
    rated = random.Random(35).sample(range(CALLS), RATED)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: rate(WAYS[n % len(WAYS)], n, answers[n]), rated))
    stored = {interaction.message_id: (interaction, votes) for interaction, votes in rlhf.interactions()}
    for place in rated:
        interaction, (vote,) = stored[f"m{place}"]
        assert (interaction.span_id, vote.value) == (rlhf.handle(answers[place]).span_id, place)
        assert interaction.input[0]["parts"] == [{"type": "text", "content": f"question {place}"}]
        assert interaction.output and interaction.input_tokens
    told = rlhf.stats()
    assert told["calls"] == CALLS
    assert told["sampled_out"] == told["held"] + told["promoted"] + told["expired"]
    assert told["interactions"] == len(stored) == CALLS - told["sampled_out"] + told["promoted"]
    assert (told["expired"], told["feedback_rate"]) == (0, RATED / CALLS)
    assert told["promoted"] == sum(i.attributes.get("rlhf.sampled.reason") == "feedback" for i, _ in stored.values())
