"""Nothing of a call without consent is in any file of any dataset, whatever else is asked for."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlhf_otel import semconv
from rlhf_otel.cli.recipe_options import read
from rlhf_otel.datasets import EmptyError, Recipe, make_dataset
from rlhf_otel.datasets.recipe import FORMATS
from rlhf_otel.otel_records import LogRecord
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store import Store
from rlhf_otel.store.adding import Decoded
from tests.datasets.conftest import SECOND, START, text

CONSENT = st.sampled_from(["train", "eval", "none", None, "yes", ""])
KINDS = ("binary", "rating", "correction", "preference", "signal", "step")


def canary(number: int, consent: str | None) -> str:
    """A word that is in one call alone, and says what that call consents to."""
    return f"word{number}of{consent or 'nobody'}end"


def call(number: int, consent: str | None) -> Interaction:
    """A call with the word in its prompt, answer, ids and context; two calls after one another ask the same."""
    word = canary(number, consent)
    return Interaction(
        trace_id=f"{number + 1:032x}", span_id=f"{number + 1:016x}", start_ns=START + number * SECOND,
        end_ns=START + number * SECOND + 1, operation="chat", request_model="m", session=f"s{number // 2}",
        consent=consent, context={"note": word}, input=[text("user", f"question {number // 2}")],  # type: ignore[arg-type]
        output=[text("assistant", f"{word}. Then more.", finish_reason="stop")],
    )  # fmt: skip


def opinion(number: int, consent: str | None, kind: str) -> Feedback:
    """What somebody said of a call, with its word."""
    target, other = f"{number + 1:016x}", f"{(number ^ 1) + 1:016x}"
    said = {
        "binary": {"kind": "binary", "value": number % 2 == 0},
        "rating": {"kind": "rating", "value": 5 if number % 2 else 1, "scale": (1, 5)},
        "correction": {"kind": "correction", "correction": f"better {canary(number, consent)}"},
        "preference": {"kind": "preference", "chosen": target, "rejected": other},
        "signal": {"kind": "signal", "signal": "copy", "value": 0.8},
        "step": {"kind": "binary", "value": True, "step": 0},
    }[kind]
    return Feedback(id=f"f{number}{kind}", name="user_feedback", time_ns=START, span_id=target, rater="r",
                    comment=canary(number, consent), **said)  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize("format_", FORMATS)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    consents=st.lists(st.tuples(CONSENT, st.sets(st.sampled_from(KINDS))), min_size=2, max_size=8),
    purpose=st.sampled_from(["train", "eval"]),
    unset=st.sampled_from(["train", "eval", "none"]),
)
def test_nothing_without_consent(format_: str, consents: list, purpose: str, unset: str) -> None:
    """Every byte of what is written is of calls that may be used, and all that were held back are counted."""
    calls = [call(n, consent) for n, (consent, _) in enumerate(consents)]
    rated = [
        (made, [opinion(n, made.consent, kind) for kind in sorted(consents[n][1])]) for n, made in enumerate(calls)
    ]
    if format_ in ("parquet", "hf"):
        pytest.importorskip("pyarrow")
    recipe = Recipe(format=format_, purpose=purpose, unset_consent=unset, sources=("human", "signal"),
                    near_duplicates=False)  # fmt: skip
    allowed = {"train": {"train"}, "eval": {"train", "eval"}}[purpose]
    refused = [canary(n, made.consent) for n, made in enumerate(calls) if (made.consent or unset) not in allowed]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "made")
        try:
            outcome = make_dataset(rated, recipe, out)
        except EmptyError:
            return
        written = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
        assert [word for word in refused if word.encode() in written] == []
        held = json.loads((out / "manifest.json").read_text())["held_back"]
        if outcome.recipe.is_plain:
            assert sum(held.values()) == len(refused)
        if held:
            assert f"{sum(held.values())} calls were held back" in (out / "README.md").read_text()


@pytest.mark.parametrize(("consents", "told"), [
    (["train", "train"], "; no call was held back"),
    (["train", "none", None, "eval"], "; 3 calls were held back: 1 as no consent is known, 1 as consent was refused, "
                                      "1 as consent is for evaluation alone"),
])  # fmt: skip
def test_the_card_says_what_was_held_back(tmp_path: Path, consents: list, told: str) -> None:
    """And how much of it for which reason."""
    make_dataset(
        [(call(n, consent), []) for n, consent in enumerate(consents)], Recipe(format="jsonl"), tmp_path / "out"
    )
    assert f"- Consent: every call was marked for training{told}\n" in (tmp_path / "out/README.md").read_text()


@pytest.mark.parametrize("format_", ["jsonl", "sft"])
def test_consent_that_was_taken_back_later(tmp_path: Path, format_: str) -> None:
    """The latest word of a conversation holds for the calls that were made before it."""
    log = LogRecord(time_ns=START + 100 * SECOND, event_name=semconv.CONSENT_EVENT,
                    attributes={semconv.SESSION_ID: "s0", semconv.CONSENT: "none"})  # fmt: skip
    calls = [call(n, "train") for n in range(4)]
    with Store.open(tmp_path / "store.db") as store:
        store.add(calls, [opinion(n, "train", "rating") for n in range(4)])
        store.add_decoded(Decoded(logs=[log]))
        recipe = Recipe(format=format_, use=("ratings",) if format_ == "sft" else (), near_duplicates=False)
        make_dataset(read(store, recipe), recipe, tmp_path / "out")
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*"))
    assert [n for n in range(4) if canary(n, "train").encode() in written] == ([2, 3] if format_ == "jsonl" else [3])
    assert json.loads((tmp_path / "out/manifest.json").read_text())["held_back"] == {"consent was refused": 2}
