"""Marks: what people thought of an answer, in a few characters."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from rlhf_otel.cli.common import printable, without_secrets
from rlhf_otel.cli.marks import legend, marks, moment

from .conftest import GOOD, UNSEEN, opinion

UP, DOWN = {"value": True}, {"value": False}
RATING = {"kind": "rating", "value": 4, "scale": (1, 5)}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ([], ""),
        ([UP], "👍"),
        ([UP, DOWN, UP, UP, UP], "👍4 👎1"),
        ([{**RATING, "comment": "why"}], "4/5 💬"),
        ([RATING, RATING, UP], "4/5 ×2 👍"),
        ([{**RATING, "name": "helpfulness"}, UP], "👍, helpfulness 4/5"),
        ([{"kind": "signal", "name": "copy", "signal": "copy", "value": 0.8}] * 2, "copy ×2"),
        ([{"kind": "categorical", "value": "off topic", "label": "off topic"}, UP], "👍, off topic"),
        ([{"kind": "custom", "value": {"tone": "süß", "ok": True}}], '{"tone": "süß", "ok": true}'),
        ([{"kind": "custom", "value": ["x" * 99]}], f'["{"x" * 37}…'),
        ([{"kind": "correction", "name": "correction", "correction": "so"}], "✎"),
        ([{"kind": "preference", "name": "preference", "chosen": GOOD, "rejected": UNSEEN}], "chosen"),
        ([{"kind": "preference", "name": "preference", "chosen": UNSEEN, "rejected": GOOD}], "rejected"),
        ([{"kind": "ranking", "name": "ranking", "ranking": [UNSEEN, GOOD]}], "ranked 2 of 2"),
    ],
)
def test_marks_say_what_was_given(given, shown):
    """Signs and words by kind, equal ones counted, never run together."""
    assert marks([opinion(str(number), **fields) for number, fields in enumerate(given)], GOOD) == shown


def test_the_legend_explains_what_is_there():
    """Only signs that are shown are explained."""
    assert legend(["👍4 👎1", "4/5"]) == "👍 good  👎 bad"
    assert legend(["4/5, copy"]) == ""


@pytest.mark.parametrize("text", ["👩\u200d🔬", "می\u200cخواهم", "क्\u200dष", "1\u202f000\xa0€", "a\tb\nc"])
def test_writing_of_all_kinds_is_kept(text):
    """Joiners and wide or unbreakable spaces belong to the text."""
    assert printable(text) == text


@pytest.mark.parametrize("char", ["\x1b", "\x07", "\r", "\x9b", "\u202e", "\u2066", "\ud800", "\x00"])
def test_what_drives_a_terminal_is_not(char):
    """Escapes, and marks that turn the direction of the text around, are replaced."""
    assert printable(f"a{char}b") == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        ("api-key=hush, x=hush", "api-key=****,x=****"),
        ("sk-hush", "****"),
        ("a=hush,hush", "a=****,****"),
        ("Bearer hush==", "****"),
        ("=hush", "****"),
        ("a=", "a="),
    ],
)
def test_of_headers_only_names_are_shown(headers, shown):
    """What has no name before a = may be the secret itself."""
    assert without_secrets("headers", headers) == shown


def test_moments_are_short(monkeypatch):
    """A time says no more than the reader needs, so that the tables keep their width whatever the day."""
    now = datetime(2026, 11, 27, 0, 7).astimezone()
    frozen = type("Frozen", (datetime,), {"now": classmethod(lambda cls, tz=None: now)})
    monkeypatch.setattr("rlhf_otel.cli.marks.datetime", frozen)
    moments = [now, now.replace(hour=0, minute=1), now - timedelta(minutes=30), now.replace(year=2025)]
    shown = [moment(int(one.timestamp() * 1e9)) for one in moments]
    assert shown == ["00:07:00", "00:01:00", "11-26 23:37", "2025-11-27"]
