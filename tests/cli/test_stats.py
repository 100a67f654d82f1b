"""`rlhf-otel stats`: what there is, in figures."""

from __future__ import annotations

import json

import pytest

from rlhf_otel.store import Store
from tests.cli.conftest import MINUTE, interaction, opinion

SPANS = [f"00f067aa0ba9000{number}" for number in range(4)]


@pytest.fixture
def counted(tmp_path):
    """Four calls of two conversations: one rated twice, one with a signal alone, one that failed."""
    path = tmp_path / "counted.db"
    calls = [
        interaction(SPANS[0], 40 * MINUTE, session="a"),
        interaction(SPANS[1], 30 * MINUTE, session="a"),
        interaction(SPANS[2], 20 * MINUTE, session="b", status="error", error_type="Timeout", output_tokens=None),
        interaction(SPANS[3], 10 * MINUTE, request_model="other"),
    ]
    given = [
        opinion("1", SPANS[0], value=True),
        opinion("2", SPANS[0], value=5, kind="rating", name="quality", scale=(1, 5)),
        opinion("3", SPANS[1], value=0.2, kind="signal", name="copy", signal="copy"),
    ]
    with Store.open(path) as opened:
        opened.add(calls, given)
    return str(path)


def test_figures_for_programs(run, counted):
    """Counts, rates and averages by the names that `rlhf.stats()` has; a signal is no rating."""
    told = json.loads(run("stats", "--store", counted, "--json").stdout)
    first, last = told.pop("first"), told.pop("last")
    assert first < last
    assert told == {
        "interactions": 4, "errors": 1, "rated": 1, "made": 4, "feedback": {"binary": 1, "rating": 1, "signal": 1},
        "input_tokens": 48, "output_tokens": 1035, "feedback_rate": 0.25, "error_rate": 0.25,
        "average_duration_s": pytest.approx(1.42),
        "sessions": {
            "a": {"interactions": 2, "errors": 0, "rated": 1},
            "b": {"interactions": 1, "errors": 1, "rated": 0},
        },
    }  # fmt: skip


def test_both_answers_of_a_preference_are_rated(run, tmp_path):
    """However feedback names a call, the call that it is about is rated."""
    path = tmp_path / "compared.db"
    compared = {"kind": "preference", "chosen": SPANS[0], "rejected": SPANS[1]}
    with Store.open(path) as opened:
        opened.add([interaction(span, MINUTE) for span in SPANS], [opinion("1", SPANS[0], **compared)])
    told = json.loads(run("stats", "--store", str(path), "--json").stdout)
    assert (told["rated"], told["feedback_rate"]) == (2, 0.5)


def test_rates_are_of_all_calls_that_were_made(run, tmp_path):
    """Where one call in ten is kept, and each that was rated in time, the rates are those of all that were made."""
    path = tmp_path / "sampled.db"
    kept = {"rlhf.sampled.rate": 0.1, "rlhf.sampled.hold": 600.0}
    brought = {**kept, "rlhf.sampled.reason": "feedback"}
    calls = [interaction(span, MINUTE, attributes=brought if span == SPANS[0] else kept) for span in SPANS]
    with Store.open(path) as opened:
        opened.add(calls, [opinion("1", SPANS[0], value=True)])
    told = json.loads(run("stats", "--store", str(path), "--json").stdout)
    assert (told["interactions"], told["made"], told["feedback_rate"]) == (4, 31, 1 / 31)
    assert "made             31  of which a share was kept" in run("stats", "--store", str(path)).stdout


def test_figures_for_a_person(run, counted):
    """A line for each figure, then the newest conversations."""
    lines = run("stats", "--store", counted).stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["calls", "4"], ["rated", "1"], ["failed", "1"], ["average", "1.42"], ["tokens", "48"], ["feedback", "3"],
        ["session", "1"], ["session", "2"],
    ]  # fmt: skip
    assert lines[1].endswith("25.0%") and lines[-1].endswith("1 rated, 0 failed: a")


def test_figures_of_some_calls(run, counted):
    """Filters leave what they name; where nothing is left, that is said."""
    assert json.loads(run("stats", "--store", counted, "--model", "other", "--json").stdout)["interactions"] == 1
    assert run("stats", "--store", counted, "--since", "1m").stdout == "no calls\n"
