"""Every method of the libraries that returns what a model has made is recorded, and the documentation says so."""

from __future__ import annotations

import anthropic
import openai
import pytest

from . import classes, walk

NEWEST = {openai: 3, anthropic: 2}
pytestmark = pytest.mark.skipif(
    any(int(sdk.__version__.partition(".")[0]) < major for sdk, major in NEWEST.items()),
    reason="the table is that of the newest libraries",
)


@pytest.fixture(scope="module")
def walked():
    return walk.walk()


def test_nothing_that_matters_is_missed(walked):
    """Each method of priority 1 or 2 can be called, and a span comes of it."""
    rows = [row for row in walked[0] if row.priority < 3]
    assert [(row.name, repr(row.error)) for row in rows if row.error is not None] == []
    assert [row.name for row in rows if not row.operations] == []
    assert len(rows) > 50


def test_what_is_left_out_is_there_to_be_left_out(walked):
    """Each method that is excluded is still found by the rule."""
    assert sorted(classes.EXCLUDED) == list(walked[1])


def test_the_page_says_what_is_true(walked):
    """The documentation holds the table as it comes out of the libraries that it names."""
    committed = walk.PAGE.read_text(encoding="utf-8")
    if walk.versions() not in committed:
        pytest.skip(f"made from other versions: {walk.versions()} are installed; `python -m tests.coverage.walk`")
    assert committed == walk.page(*walked)
