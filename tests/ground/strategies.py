"""Made-up records that fit on the wire: what goes into the attributes of a span or event comes back from them."""

from __future__ import annotations

from hypothesis import strategies as st

from rlhf_otel.records import Feedback, Interaction

text = st.text(max_size=40)
word = st.text(min_size=1, max_size=20)
maybe = lambda strategy: st.none() | strategy  # noqa: E731 - reads better in place
number = st.floats(0, 1e9, allow_nan=False)
count = st.integers(0, 2**53)
key = st.text(alphabet="abcxyz_.0", min_size=1, max_size=12)
plain = text | st.booleans() | count | number
values = plain | st.lists(text, min_size=1, max_size=3) | st.lists(count, min_size=1, max_size=3)
part = st.fixed_dictionaries({"type": st.just("text"), "content": text}) | st.fixed_dictionaries(
    {"type": st.just("tool_call"), "id": text, "name": text, "arguments": st.dictionaries(key, plain, max_size=3)}
)
message = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system", "tool"]), "parts": st.lists(part, max_size=3)},
    optional={"finish_reason": word, "name": word},
)
interactions = st.builds(
    Interaction,
    trace_id=st.just("4bf92f3577b34da6a3ce929d0e0e4736"), span_id=st.just("00f067aa0ba902b7"),
    start_ns=st.just(10**18), end_ns=st.integers(10**18, 10**18 + 10**12), name=text, operation=word, provider=word,
    request_model=maybe(word), response_model=maybe(word), response_id=maybe(word), stream=st.booleans(),
    stream_end=maybe(st.sampled_from(["completed", "abandoned", "cancelled", "error"])), stream_chunks=maybe(count),
    stream_max_gap_s=maybe(number), time_to_first_chunk_s=maybe(number), time_to_first_token_s=maybe(number),
    time_to_first_reasoning_s=maybe(number), input_tokens=maybe(count), output_tokens=maybe(count),
    cached_tokens=maybe(count), cache_write_tokens=maybe(count), reasoning_tokens=maybe(count),
    usage_estimated=st.booleans(), finish_reasons=st.lists(word, max_size=2).map(tuple), retries=st.integers(0, 9),
    status=st.sampled_from(["unset", "ok", "error"]), error_type=maybe(word), error_message=maybe(text),
    input=maybe(st.lists(message, min_size=1, max_size=3)), system=maybe(st.lists(part, min_size=1, max_size=2)),
    output=maybe(st.lists(message, min_size=1, max_size=2)),
    tools=maybe(st.lists(st.dictionaries(key, plain, min_size=1, max_size=3), min_size=1, max_size=2)),
    session=maybe(text), user=maybe(text), anonymous_user=maybe(text), message_id=maybe(text), variant=maybe(text),
    consent=maybe(st.sampled_from(["train", "eval", "none"])), context=st.dictionaries(key, values, max_size=3),
    attributes=st.dictionaries(key.map("app.{}".format), values, max_size=3),
)  # fmt: skip


def feedback_values(kind: str):
    """What a feedback of this kind holds, as strategies by field."""
    none = st.none()
    ids = st.from_regex("[0-9a-f]{16}", fullmatch=True)
    scale = st.tuples(st.floats(-10, 0), st.floats(1, 10))
    return {
        "binary": {"value": st.booleans()},
        "rating": {"value": st.integers(-5, 5) | st.floats(-5, 5).filter(lambda x: not x.is_integer()), "scale": scale},
        "score": {"value": st.floats(0, 1)},
        "categorical": {"value": word},
        "comment": {"comment": word},
        "correction": {"correction": word},
        "preference": {"chosen": ids, "rejected": ids, "margin": maybe(number),
                       "position": maybe(st.sampled_from(["chosen", "rejected"]))},
        "ranking": {"ranking": st.lists(ids, min_size=2, max_size=4).map(tuple)},
        "signal": {"signal": st.sampled_from(["copy", "edit"]), "value": maybe(st.floats(0, 1))},
        "custom": {"value": st.dictionaries(key, plain, min_size=1) | st.lists(plain, min_size=1)},
        "retraction": {"retracts": word, "value": none},
    }[kind]  # fmt: skip


@st.composite
def feedbacks(draw, kind):
    """A feedback of this kind with anything else that it may have."""
    own = {name: draw(strategy) for name, strategy in feedback_values(kind).items()}
    label = own["value"] if kind == "categorical" else draw(maybe(word.filter(lambda w: w not in ("pass", "fail"))))
    common = {
        "id": word, "name": word, "time_ns": count, "trace_id": text, "span_id": text, "target_start_ns": count,
        "response_id": maybe(word), "message_id": maybe(word), "session": maybe(word), "comment": maybe(word),
        "rater": maybe(word), "source": st.sampled_from(["end_user", "agent"]), "step": maybe(st.integers(0, 99)),
        "annotator_kind": st.sampled_from(["HUMAN", "LLM", "CODE"]),
        "range": maybe(st.tuples(st.integers(0, 9), st.integers(10, 99))),
        "metadata": st.dictionaries(key, values, max_size=3),
    }  # fmt: skip
    drawn = {name: draw(strategy) for name, strategy in common.items()}
    return Feedback(**{**drawn, "label": label if kind != "custom" else None, "kind": kind, **own})
