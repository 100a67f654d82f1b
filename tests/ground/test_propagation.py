"""The context as W3C baggage, from one service to the next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rlhf_otel as rlhf
from rlhf_otel.app_context import collected
from rlhf_otel.propagation import LONGEST, decoded, encoded


def test_from_one_service_to_the_next():
    """Everything that is plain arrives, and what is given there wins."""
    with rlhf.context(session="conv 42", user="ü,;=\"", message="m", variant="B", consent="train", tier="gold", page=2,
                      ratio=0.5, beta=True, tags=["a"]):  # fmt: skip
        header = rlhf.baggage()["baggage"]
    assert header.isascii()
    assert rlhf.baggage() == {}
    with rlhf.context(baggage=header, user="other") as held:
        assert (held.session, held.user, held.message, held.variant, held.consent) == (
            "conv 42", "other", "m", "B", "train",
        )  # fmt: skip
        assert held.values == {"tier": "gold", "page": 2, "ratio": 0.5, "beta": True}
        with rlhf.context(baggage="rlhf.session=inner"):
            assert (collected().session, collected().variant) == ("inner", "B")


def test_beside_the_baggage_of_others():
    """Entries that are not ours are passed over, and so are properties and white space."""
    fields, values = decoded("k=v , rlhf.session = s ;p=1, userId=5,rlhf.context.a=%22b%22;x, rlhf.other=1")
    assert (fields, values) == ({"session": "s"}, {"a": "b"})


@pytest.mark.parametrize(
    "header", ["", ",", "=", "rlhf.session", "rlhf.session=", "%%%", "rlhf.context.=1", "rlhf.consent=maybe", "\0=\xff"]
)
def test_what_is_no_baggage(header):
    """It is no error, and brings nothing that a context cannot hold."""
    with rlhf.context(baggage=header) as held:
        assert held.consent is None
        assert held.session in (None, "")


@given(st.text(max_size=200))
def test_any_header(header):
    """Whatever comes in, nothing is raised."""
    with rlhf.context(baggage=header):
        pass


@given(st.text(), st.dictionaries(st.text(min_size=1, max_size=20), st.one_of(st.text(), st.integers(), st.booleans())))
def test_any_context(session, values):
    """What fits comes back as it was."""
    header = encoded({"session": session}, values)
    fields, found = decoded(header)
    if len(header) < LONGEST - 3000:
        assert fields == {"session": session.encode("utf-8", "replace").decode()}
        assert {name: value for name, value in found.items() if type(value) is not str} == {
            name: value for name, value in values.items() if type(value) is not str
        }


def test_a_header_has_an_end():
    """What does not fit is left out, and what is there is whole."""
    header = encoded({"session": "s"}, {"a": "x" * 5000, "b": "y" * 5000, "c": 1})
    assert len(header) <= LONGEST
    assert decoded(header) == ({"session": "s"}, {"a": "x" * 5000, "c": 1})
