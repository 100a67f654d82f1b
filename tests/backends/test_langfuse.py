"""Langfuse's published schema, as its own client has it: what is sent is what it describes. No server is run."""

from __future__ import annotations

import os

import pytest

if not os.environ.get("RLHF_OTEL_TEST_LIBRARIES"):
    pytest.skip("needs Langfuse's client in an environment of its own: `make test-backends`", allow_module_level=True)

from langfuse.api.core.pydantic_utilities import parse_obj_as
from langfuse.api.scores.types import CreateScoreRequest

from tests.backends.conftest import OF_EVERY_KIND, RATED, START, TRACE, feedback


def test_what_is_sent_is_what_the_schema_describes(add, push, langfuse_api):
    """Of each kind of feedback, every field is known to the schema and has the type and the limits that it asks for."""
    add(*(feedback(f"f-{name}", name, **{"value": None, **fields}) for name, fields in OF_EVERY_KIND.items()))
    assert push("langfuse", "--url", langfuse_api.url)["sent"] == len(OF_EVERY_KIND)
    scores = [parse_obj_as(CreateScoreRequest, body) for body in langfuse_api.kept.values()]
    assert [score.model_extra for score in scores] == [{}] * len(OF_EVERY_KIND)
    assert {(score.trace_id, score.observation_id) for score in scores} == {(TRACE, RATED)}
    assert {score.timestamp.timestamp() for score in scores} == {START / 1e9 + 1}
    by_type = {score.data_type.value: score.value for score in scores}
    assert by_type.keys() == {"BOOLEAN", "NUMERIC", "CATEGORICAL", "TEXT", "CORRECTION"}
    assert all(score.value in (0, 1) for score in scores if score.data_type == "BOOLEAN")
    assert 1 <= len(by_type["TEXT"]) <= 500
