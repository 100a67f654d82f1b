"""The real Presidio as a step of the redactor: its recognizers by patterns, which need no model of a language."""

from __future__ import annotations

import pytest

from rlhf_otel.records import Interaction
from rlhf_otel.redact import Redactor

pytest.importorskip("presidio_analyzer", reason="tests/matrix/run.sh redact/presidio")
SAID = "My licence is 1HGCM82633A004352, my SSN 536-22-8726, I am at 10.1.2.3."


@pytest.fixture(scope="module")
def analyzer():
    """The engine, with a language of which it knows no more than where words end."""
    import spacy
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class Blank(SpacyNlpEngine):
        """Loads nothing."""

        def __init__(self):
            super().__init__()
            self.nlp = {"en": spacy.blank("en")}

    return AnalyzerEngine(nlp_engine=Blank(), supported_languages=["en"])


def said_by(interaction):
    """The text of the one message that went in."""
    return interaction.input[0]["parts"][0]["content"]


def test_what_presidio_finds_goes(analyzer):
    """Wherever it is in a call, by Presidio's own names; what it does not find stays, and so does a clean call."""
    from rlhf_otel.redact.presidio import Presidio

    redactor = Redactor([Presidio(analyzer, entities=["US_SSN", "IP_ADDRESS"])], keys=())
    message = {"role": "user", "parts": [{"type": "text", "content": SAID}]}
    call = Interaction(
        trace_id="1" * 32, span_id="2" * 16, start_ns=1, end_ns=2, input=[message], context={"ip": "10.1.2.3"}
    )
    clean = redactor(call)
    assert said_by(clean) == "My licence is 1HGCM82633A004352, my SSN [REDACTED:us-ssn], I am at [REDACTED:ip-address]."
    assert clean.context == {"ip": "[REDACTED:ip-address]"}
    assert said_by(call) == SAID
    assert redactor.text("Nothing of that kind.") == "Nothing of that kind."


def test_what_is_allowed_stays_and_what_is_alike_has_the_same_mark(analyzer):
    """As with every other rule."""
    from rlhf_otel.redact.presidio import Presidio

    step = Presidio(analyzer, entities=["IP_ADDRESS"])
    assert Redactor([step], keys=(), allowed="10.1.2.3".__eq__).text("10.1.2.3 and 10.1.2.4") == (
        "10.1.2.3 and [REDACTED:ip-address]"
    )
    one, other, third = Redactor([step], keys=(), hash_key=lambda: b"k").text("10.1.2.3 10.1.2.3 10.1.2.4").split()
    assert one == other != third
