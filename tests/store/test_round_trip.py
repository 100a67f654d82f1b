"""What goes into the store comes out of it, exactly."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlhf_otel.otel_records import SpanRecord
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store import Store
from rlhf_otel.store.encoding import TOO_DEEP

some = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

text = st.text(st.characters(codec=None), max_size=12) | st.sampled_from(
    [
        "",
        "\x00",
        "\x00ab",
        "\ud83d\ude00",
        "\ud800",
        "😀",
        "שלום \u202e",
        "a" * 3000,
        "'; DROP TABLE message; --",
        "00ff",
        "00FF",
    ]
)
number = st.integers() | st.integers(-(2**70), 2**70)
real = st.floats(allow_nan=False)
scalar = st.none() | st.booleans() | number | real | text | st.binary(max_size=4)
json_value = st.recursive(
    scalar,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(text | st.just("\x00"), inner, max_size=3)
    ),
    max_leaves=8,
)
mapping = st.dictionaries(text, json_value, max_size=3)
part = st.dictionaries(st.sampled_from(["type", "content", "arguments", "id"]), json_value, max_size=4)
message = st.fixed_dictionaries(
    {}, optional={"role": text, "parts": st.lists(part, max_size=2), "name": text, "finish_reason": text}
)
messages = st.none() | st.lists(message, max_size=4) | st.lists(message, max_size=2).map(tuple)
identifier = st.binary(min_size=8, max_size=8).map(bytes.hex) | text
interactions = st.builds(
    Interaction, trace_id=identifier, span_id=identifier, parent_span_id=st.none() | identifier, start_ns=number,
    end_ns=number, name=text, operation=text, provider=text, request_model=st.none() | text,
    response_model=st.none() | text, response_id=st.none() | text, stream=st.booleans(),
    stream_end=st.none() | st.sampled_from(["completed", "abandoned"]), stream_chunks=st.none() | number,
    stream_max_gap_s=st.none() | real | number, time_to_first_token_s=st.none() | real,
    input_tokens=st.none() | number,
    output_tokens=st.none() | number, usage_estimated=st.booleans(),
    finish_reasons=st.lists(text, max_size=2).map(tuple),
    retries=number, status=st.sampled_from(["unset", "ok", "error"]), error_type=st.none() | text,
    error_message=st.none() | text, input=messages, system=st.none() | st.lists(part, max_size=2), output=messages,
    tools=st.none() | st.lists(mapping, max_size=2), session=st.none() | text, user=st.none() | text,
    message_id=st.none() | text, variant=st.none() | text, consent=st.sampled_from([None, "train", "none"]),
    context=mapping, attributes=mapping, resource=mapping,
)  # fmt: skip
feedback = st.builds(
    Feedback, id=text, name=text, kind=st.sampled_from(["binary", "custom", "ranking", "of_another_tool"]),
    time_ns=number,
    trace_id=identifier, span_id=identifier, target_start_ns=number, response_id=st.none() | text,
    message_id=st.none() | text, session=st.none() | text, value=json_value, scale=st.none() | st.tuples(real, real),
    label=st.none() | text, comment=st.none() | text, correction=st.none() | text, rater=st.none() | text,
    step=st.none() | number, range=st.none() | st.tuples(number, number), chosen=st.none() | text,
    rejected=st.none() | text, margin=st.none() | real, ranking=st.lists(text, max_size=3).map(tuple),
    retracts=st.none() | text, metadata=mapping,
)  # fmt: skip
spans = st.builds(
    SpanRecord, trace_id=identifier, span_id=identifier, start_ns=number, end_ns=number,
    parent_span_id=st.none() | identifier, name=text, scope=text, attributes=mapping, resource=mapping,
)  # fmt: skip


def typed(value: Any) -> Any:
    """`value` with every type spelled out: 1, True and 1.0 are equal, but not here."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value), [typed(item) for item in value]
    return type(value), value


def fields(record: Any) -> Any:
    """Every field of `record` with its types."""
    return {field.name: typed(getattr(record, field.name)) for field in dataclasses.fields(record)}


@some
@given(interactions)
def test_an_interaction_comes_back_as_it_was(interaction: Interaction) -> None:
    """Every field, every type and every code unit: absent is not empty, a tuple is not a list, True is not 1."""
    with Store.open(":memory:") as store:
        store.add([interaction])
        back = store.interaction(interaction.span_id, interaction.trace_id)
        assert back == interaction
        assert fields(back) == fields(interaction)


@some
@given(st.lists(interactions, max_size=4, unique_by=lambda i: (i.trace_id, i.span_id)))
def test_many_interactions_come_back_as_they_were(given_: list[Interaction]) -> None:
    """Content that interactions share is shared in the file, not in what is read."""
    with Store.open(":memory:") as store:
        store.add(given_)
        back = {(i.trace_id, i.span_id): i for i in store.interactions()}
        assert back == {(i.trace_id, i.span_id): i for i in given_}


@some
@given(feedback)
def test_feedback_comes_back_as_it_was(given_: Feedback) -> None:
    """A value of any JSON type keeps that type, and a kind that nobody has heard of is kept."""
    with Store.open(":memory:") as store:
        store.add(feedback=[given_])
        assert [fields(pending) for pending in store.pending()] == [fields(given_)]


@some
@given(spans)
def test_a_span_comes_back_as_it_was(span: SpanRecord) -> None:
    """Spans that are no calls to a model are kept whole as well."""
    with Store.open(":memory:") as store:
        store.add(spans=[span])
        assert [fields(back) for back in store.spans(span.trace_id)] == [fields(span)]


@some
@given(interactions)
def test_an_interaction_is_found_by_any_text_that_it_is_called(interaction: Interaction) -> None:
    """Ids with NUL, lone surrogates or nothing in them find what has them."""
    ids = {"response_id": interaction.response_id, "message_id": interaction.message_id, "session": interaction.session}
    with Store.open(":memory:") as store:
        store.add([interaction])
        for name, value in ids.items():
            if value is not None:
                found = store.find(**{name: value})
                assert found is not None and found.span_id == interaction.span_id
        for name in ("session", "provider", "status"):
            value = getattr(interaction, name)
            assert value is None or list(store.interactions(**{name: value})) == [interaction]
        assert list(store.interactions(trace_id=interaction.trace_id)) == [interaction]


def test_a_number_that_is_none_comes_back(store: Store, call: Any) -> None:
    """SQLite has no NaN; it comes back all the same."""
    store.add([call(1, stream_max_gap_s=math.nan, attributes={"a": math.inf})])
    (back,) = store.interactions()
    assert math.isnan(back.stream_max_gap_s or 0)
    assert back.attributes == {"a": math.inf}


def test_endless_nesting_does_not_hold_up_the_batch(store: Store, call: Any) -> None:
    """What is nested deeper than anything real is cut there, and all the rest is kept."""
    deep: Any = "x"
    for _ in range(50_000):
        deep = [deep]
    store.add([call(1, attributes={"deep": deep, "flat": 1}), call(2)])
    level = store.interaction(call(1).span_id).attributes["deep"]  # type: ignore[union-attr]
    while isinstance(level, list):
        level = level[0]
    assert level == TOO_DEEP
    assert store.counts()["interactions"] == 2


def test_an_object_of_the_application_becomes_its_text(store: Store, call: Any) -> None:
    """What is no JSON does not stop the batch."""
    store.add([call(1, attributes={"set": {1}, "type": int, "key": {1: "one", (2, 3): None}, "huge": 10**5000})])
    (back,) = store.interactions()
    expected = {"set": "{1}", "type": "<class 'int'>", "key": {1: "one", (2, 3): None}, "huge": 10**5000}
    assert back.attributes == expected


def test_what_is_read_may_be_changed(store: Store, call: Any) -> None:
    """Two readers never share a list, even where the store holds the message once."""
    store.add([call(1), call(2)])
    one, two = store.interactions()
    one.input[0]["parts"][0]["content"] = "changed"  # type: ignore[index]
    assert two.input == call(1).input
