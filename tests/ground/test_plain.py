"""Values of the application, turned into what JSON knows."""

from __future__ import annotations

import dataclasses

import pytest

from rlhf_otel import codec
from rlhf_otel.app_context import context


@dataclasses.dataclass
class Person:
    name: str
    tags: set


class Model:
    def model_dump(self):
        return {"text": "hello", "of": Person("ada", {"x"})}


class Hostile:
    def __str__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": (1, 2.5, None, True)}, {"a": [1, 2.5, None, True]}),
        ({1: b"hi"}, {"1": "b'hi'"}),
        (Model(), {"text": "hello", "of": {"name": "ada", "tags": ["x"]}}),
        ([ValueError("oh")], ["oh"]),
        ({"kept": 1, "hostile": Hostile()}, {"kept": 1, "hostile": "[unreadable]"}),
    ],
)
def test_objects_become_plain_values(value, expected):
    """Whatever a value is made of, lists, names and text are what is left of it."""
    assert codec.plain(value) == expected


def test_what_contains_itself_or_never_ends():
    """Neither a circle nor a nesting without end is followed for ever."""
    circle = []
    circle.append(circle)
    assert codec.plain(circle) == ["[unreadable]"]
    deep = "x"
    for _ in range(5000):
        deep = [deep]
    assert "[unreadable]" in str(codec.plain(deep))


def test_flat_values_are_not_copied():
    """Text and numbers stay the objects that they are."""
    text = "a long text" * 100
    assert codec.plain(text) is text


def test_later_changes_do_not_reach_a_context():
    """A call is recorded with the values as they were when the block began."""
    cart = {"items": ["book"]}
    with context(cart=cart) as made:
        cart["items"].append("pen")
        assert dict(made.values) == {"cart": {"items": ["book"]}}
