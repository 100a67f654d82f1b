"""One set of votes, as five products export it, is the same feedback in the store."""

from __future__ import annotations

import pytest

from rlhf_otel.codec import prompt_text, response_text
from rlhf_otel.store import Store
from tests.importers.conftest import EXPORTS

PRODUCTS = ("langfuse", "langsmith", "phoenix", "open-webui", "argilla")
SAID = {
    ("What is the capital of France?", "Paris.", "user_feedback", 1.0, "right", None, "user-1"),
    ("What is the capital of Spain?", "Barcelona.", "user_feedback", 0.0, "=wrong city", None, "user-2"),
    ("What is the capital of Spain?", "Barcelona.", "correction", None, None, "Madrid.", "user-2"),
    ("What is the capital of Italy?", "Rome, since 1871.", "user_feedback", 1.0, None, None, "user-1"),
    ("What is the capital of Italy?", "Rome, since 1871.", "rating", 2 / 3, None, None, "user-1"),
}


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_same_votes_are_the_same_feedback(product, run, tmp_path) -> None:
    """Value from 0 to 1, comment, correction and rater on the call with this question and answer, nothing pending."""
    path = tmp_path / "calls.db"
    for _ in range(2):  # the second time changes nothing
        result = run("import", EXPORTS / product, "--scale", "rating=1-10", "--store", path)
        assert (result.exit_code, result.stderr) == (0, "")
    with Store.open(path) as store:
        calls = list(store.interactions())
        found = {
            (prompt_text(call), response_text(call), f.name, f.score, f.comment, f.correction, f.rater)
            for call in calls
            for f in store.feedback_on([call])[call.span_id]
        }
        kinds = {f.name: f.kind for f in store.all_feedback()}
        assert (found, len(calls), store.counts()["feedback"], store.pending()) == (SAID, 3, 5, [])
    assert kinds == {"user_feedback": "binary", "rating": "rating", "correction": "correction"}
    assert {(call.request_model, call.consent, call.attributes["rlhf.import.source"]) for call in calls} == {
        ("gpt-5-mini", None, product)
    }
