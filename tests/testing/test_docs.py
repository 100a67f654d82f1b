"""docs/testing.md says what is true."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import rlhf_otel.testing as testing

PAGE = Path(__file__).parents[2].joinpath("docs/testing.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(1, len(EXAMPLES) + 1))
def test_the_examples_run(example, tmp_path, monkeypatch):
    """Each Python block of the page runs by itself, its assertions hold, and it leaves no file behind."""
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "docs/testing.md", "exec"), {"__name__": "example"})
    assert list(tmp_path.iterdir()) == []


def test_every_option_of_the_command_is_documented():
    """The page names each option of `python -m rlhf_otel.testing.llm`."""
    from rlhf_otel.testing.llm import _parser

    options = {option for action in _parser()._actions for option in action.option_strings if option.startswith("--")}
    assert {option for option in options - {"--help"} if option not in PAGE} == set()


def test_every_field_of_a_reply_is_described():
    """The docstring of Reply has a line for each of its fields."""
    fields = {field.name for field in dataclasses.fields(testing.Reply)}
    described = set(re.findall(r"^    (\w+): ", inspect.getdoc(testing.Reply), re.MULTILINE))
    assert described == fields
