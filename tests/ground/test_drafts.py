"""Interactions by way of a draft."""

from __future__ import annotations

import dataclasses

import pytest

from rlhf_otel.records import Interaction, interaction_with


def test_a_draft_becomes_the_interaction_that_its_fields_make() -> None:
    """It is an `Interaction` with the same fields, given or not."""
    given = {"trace_id": "a" * 32, "span_id": "b" * 16, "start_ns": 1, "end_ns": 5, "input_tokens": 3}
    made = interaction_with(**given)
    assert type(made) is Interaction
    assert made == Interaction(**given)
    assert (made.context, made.duration_s, dataclasses.replace(made, retries=2).retries) == ({}, 4e-9, 2)


def test_a_draft_is_frozen_from_then_on() -> None:
    """A processor that sets a field of it is told so, and each has a context of its own."""
    first, second = (interaction_with(trace_id="a", span_id="b", start_ns=1, end_ns=2) for _ in range(2))
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.retries = 1  # type: ignore[misc]
    assert first.context is not second.context


def test_a_draft_takes_what_an_interaction_takes() -> None:
    """A field that is missing or unknown is a mistake in both."""
    with pytest.raises(TypeError):
        interaction_with(trace_id="a")
    with pytest.raises(TypeError):
        interaction_with(trace_id="a", span_id="b", start_ns=1, end_ns=2, colour="red")
