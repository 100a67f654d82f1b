"""`rlhf-otel push`: the annotations of a backend become what the feedback in the store says."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from rlhf_otel.cli.main import cli
from tests.backends.annotation_apis import PhoenixApi
from tests.backends.conftest import ELSEWHERE, OF_EVERY_KIND, OTHER, RATED, START, TRACE, feedback

LATER = START + 2 * 10**9


def one_of_each():
    return [feedback(f"f-{name}", name, **{"value": None, **fields}) for name, fields in OF_EVERY_KIND.items()]


def counts(sent=0, unchanged=0, removed=0, waiting=0):
    return {"sent": sent, "unchanged": unchanged, "removed": removed, "waiting": waiting}


def test_every_kind_has_a_name_a_score_and_words(add, push, phoenix_api):
    """Name, score from 0 to 1, label, explanation and annotator kind are told in Phoenix's words."""
    add(*one_of_each())
    assert push("phoenix", "--url", phoenix_api.url) == counts(sent=8)
    found = {name: (each["annotator_kind"], each["result"]) for name, each in phoenix_api.by_name().items()}
    assert found == {
        "thumb": ("HUMAN", {"label": "up", "score": 1.0, "explanation": "good"}),
        "helpfulness": ("HUMAN", {"label": "4/5", "score": 0.75}),
        "judge": ("LLM", {"score": 0.8}),
        "topic": ("HUMAN", {"label": "off_topic"}),
        "comment": ("HUMAN", {"explanation": "x" * 600}),
        "correction": ("HUMAN", {"explanation": "too long\n\nCorrection: Six minutes."}),
        "copy": ("CODE", {"label": "copy", "score": 0.8}),
        "step": ("HUMAN", {"label": "down", "score": 0.0}),
    }
    assert {each["span_id"] for each in phoenix_api.kept.values()} == {RATED}
    thumb, step = phoenix_api.by_name()["thumb"], phoenix_api.by_name()["step"]
    assert thumb["metadata"] == {
        "feedback_id": "f-thumb", "kind": "binary", "source": "end_user", "time": "2023-11-14T22:13:21.000000Z",
        "rater": "u1", "value": True,
    }  # fmt: skip
    assert step["metadata"]["step"] == 2


def test_langfuse_gets_a_typed_value(add, push, langfuse_api):
    """Thumbs are BOOLEAN, numbers NUMERIC, words CATEGORICAL, comments TEXT of 500 at most, corrections CORRECTION."""
    add(*one_of_each())
    assert push("langfuse", "--url", langfuse_api.url) == counts(sent=8)
    found = {name: (each["dataType"], each["value"]) for name, each in langfuse_api.by_name().items()}
    assert found == {
        "thumb": ("BOOLEAN", 1),
        "helpfulness": ("NUMERIC", 0.75),
        "judge": ("NUMERIC", 0.8),
        "topic": ("CATEGORICAL", "off_topic"),
        "comment": ("TEXT", "x" * 500),
        "correction": ("CORRECTION", "Six minutes."),
        "copy": ("NUMERIC", 0.8),
        "step": ("BOOLEAN", 0),
    }
    comment = langfuse_api.by_name()["comment"]
    assert (comment["traceId"], comment["observationId"], comment["comment"]) == (TRACE, RATED, "x" * 600)
    assert langfuse_api.headers["authorization"] == "Basic cGstMTpzay0x"


def test_a_second_push_sends_nothing(add, push, phoenix_api):
    """What was confirmed is remembered; `--again` sends it once more, and there it is still one."""
    add(*one_of_each())
    push("phoenix", "--url", phoenix_api.url)
    asked = len(phoenix_api.requests)
    assert push("phoenix", "--url", phoenix_api.url) == counts(unchanged=8)
    assert len(phoenix_api.requests) == asked
    assert push("phoenix", "--url", phoenix_api.url, "--again") == counts(sent=8)
    assert len(phoenix_api.kept) == 8


@pytest.mark.parametrize("to", ["phoenix", "langfuse"])
def test_what_counts_no_longer_is_removed(add, push, to, phoenix_api, langfuse_api):
    """A vote that was changed takes the place of the one before; one that was taken back leaves none."""
    api = phoenix_api if to == "phoenix" else langfuse_api
    add(feedback("f1", rater="u1"), feedback("f2", rater="u2"))
    assert push(to, "--url", api.url) == counts(sent=2)
    add(
        feedback("f3", rater="u1", value=False, time_ns=LATER),
        feedback("r", kind="retraction", value=None, retracts="f2", time_ns=LATER),
    )
    assert push(to, "--url", api.url) == counts(sent=1, removed=2)
    (left,) = api.kept.values()
    assert left["metadata"]["feedback_id"] == "f3"


def test_feedback_waits_until_the_backend_has_the_span(add, push, phoenix_api):
    """A span that Phoenix does not have holds up no other, and is tried again with the next push."""
    add(feedback("f1"), feedback("f2", span_id=ELSEWHERE))
    assert push("phoenix", "--url", phoenix_api.url) == counts(sent=1, waiting=1)
    phoenix_api.spans.add(ELSEWHERE)
    assert push("phoenix", "--url", phoenix_api.url) == counts(sent=1, unchanged=1)
    assert {each["span_id"] for each in phoenix_api.kept.values()} == {RATED, ELSEWHERE}


def test_the_votes_on_a_call_that_only_the_backend_has_count_as_ever(add, push, phoenix_api):
    """Also where the store has no call, the latest of a rater counts, and nothing that was taken back."""
    phoenix_api.spans.add(ELSEWHERE)
    add(
        feedback("f1", span_id=ELSEWHERE, rater="u1"),
        feedback("f2", span_id=ELSEWHERE, rater="u1", value=False, time_ns=LATER),
        feedback("f3", span_id=ELSEWHERE, rater="u2"),
        feedback("r", kind="retraction", value=None, retracts="f3", span_id=""),
    )
    assert push("phoenix", "--url", phoenix_api.url) == counts(sent=1)
    (only,) = phoenix_api.kept.values()
    assert only["metadata"]["feedback_id"] == "f2"


def test_a_comparison_is_on_each_of_its_answers(add, push, phoenix_api):
    """The chosen answer gets 1, the rejected one 0; of a ranking each its place."""
    preference = {"kind": "preference", "value": None, "chosen": RATED, "rejected": OTHER}
    ranking = {"kind": "ranking", "value": None, "ranking": (OTHER, RATED)}
    add(feedback("f1", "preference", **preference), feedback("f2", "ranking", span_id=OTHER, **ranking))
    assert push("phoenix", "--url", phoenix_api.url) == counts(sent=4)
    found = {(each["span_id"], each["name"]): each["result"] for each in phoenix_api.kept.values()}
    assert found == {
        (RATED, "preference"): {"label": "chosen", "score": 1.0},
        (OTHER, "preference"): {"label": "rejected", "score": 0.0},
        (OTHER, "ranking"): {"label": "1 of 2", "score": 1.0},
        (RATED, "ranking"): {"label": "2 of 2", "score": 0.0},
    }


def test_a_refusal_is_said_and_loses_nothing(add, push, phoenix_api):
    """The command fails with what the backend said; the next one sends what is missing."""
    add(feedback("f1"))
    phoenix_api.refusal = 503
    said = push("phoenix", "--url", phoenix_api.url)
    assert f'{phoenix_api.url} refuses POST /v1/span_annotations?sync=true: 503 {{"detail": "no"}}' in said
    phoenix_api.refusal = 0
    assert push("phoenix", "--url", phoenix_api.url) == counts(sent=1)


def test_an_address_that_is_no_phoenix_is_said(add, push, langfuse_api, tmp_path):
    """Nothing there, something else there, and no URL at all are three lines that say so."""
    add(feedback("f1"))
    with PhoenixApi(RATED) as gone:
        pass
    assert "does not answer: [Errno 111] Connection refused" in push("phoenix", "--url", gone.url)
    langfuse_api.refusal = 404
    assert "knows no span annotations (404); is that a Phoenix?" in push("phoenix", "--url", langfuse_api.url)
    assert "'phoenix:6006' is no URL" in push("phoenix", "--url", "phoenix:6006")
    assert list(Path(tmp_path, ".rlhf-otel", "pushed").glob("*")) == []


def test_a_push_that_dies_in_between_repeats_itself(add, push, phoenix_api, tmp_path):
    """A torn line of the ledger is as if it had not been written: that annotation is sent again, as the same one."""
    add(feedback("f1"), feedback("f2", name="other"))
    push("phoenix", "--url", phoenix_api.url)
    (ledger,) = Path(tmp_path, ".rlhf-otel", "pushed").iterdir()
    ledger.write_text(ledger.read_text()[:-10])
    assert push("phoenix", "--url", phoenix_api.url) == counts(sent=1, unchanged=1)
    assert push("phoenix", "--url", phoenix_api.url) == counts(unchanged=2)
    assert len(phoenix_api.kept) == 2


def test_a_backend_of_its_own_has_a_ledger_of_its_own(add, push, phoenix_api):
    """What one Phoenix has says nothing of another."""
    add(feedback("f1"))
    push("phoenix", "--url", phoenix_api.url)
    with PhoenixApi(RATED) as second:
        assert push("phoenix", "--url", second.url) == counts(sent=1)


def test_keys_are_asked_for_and_sent(add, push, phoenix_api, monkeypatch):
    """Langfuse does not go without keys; Phoenix's is sent where there is one."""
    add(feedback("f1"))
    assert "set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY" in push("langfuse")
    monkeypatch.setenv("PHOENIX_API_KEY", "k-1")
    monkeypatch.setenv("PHOENIX_COLLECTOR_ENDPOINT", phoenix_api.url)
    assert push("phoenix") == counts(sent=1)
    assert phoenix_api.headers["authorization"] == "Bearer k-1"


def test_a_name_that_phoenix_keeps_for_itself_is_another(add, push, phoenix_api):
    """Phoenix says yes to annotations called `note` and drops them; they go by `rlhf.note`."""
    add(feedback("f1", "note"))
    push("phoenix", "--url", phoenix_api.url)
    assert list(phoenix_api.by_name()) == ["rlhf.note"]


def test_a_score_without_a_trace_waits(add, push, langfuse_api):
    """Langfuse keeps scores by trace: feedback that names a span alone is counted as waiting until the call comes."""
    add(feedback("f1", span_id=ELSEWHERE, trace_id=""))
    assert push("langfuse", "--url", langfuse_api.url) == counts(waiting=1)


def test_a_person_reads_one_line(add, phoenix_api):
    """Without `--json`, a line says what was sent and what waits."""
    add(feedback("f1"), feedback("f2", span_id=ELSEWHERE))
    done = CliRunner().invoke(cli, ["push", "phoenix", "--url", phoenix_api.url])
    assert done.stdout == ("1 sent, 0 there already, 0 removed, 1 not taken: phoenix does not have their spans (yet)\n")
