"""The signed feedback token: what it says, and everything that is no token."""

from __future__ import annotations

import os
import random

import pytest

from rlhf_otel import token
from rlhf_otel.records import Handle
from rlhf_otel.token import InvalidToken, mint, unverified, verify

KEY, OLD, OTHER = "0123456789abcdef", "an older key of ours", "somebody else's key"
CALL = Handle("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "resp-1", 1_795_748_850_807_774_824)
NOW = 1_795_748_900
FORGERIES = 1_000_000 if os.environ.get("RLHF_OTEL_TEST_SLOW") else 20_000
MADE = mint(CALL, rater="u1", names=["user_feedback", "accuracy"], ttl="12h", key=KEY, now=NOW)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def refused(text: str, **given) -> str:
    """Why it is."""
    with pytest.raises(InvalidToken) as raised:
        verify(text, **{"key": KEY, "now": NOW, **given})
    return raised.value.reason


def test_it_says_what_it_was_minted_for():
    """Call, start, expiry, names and a hash of the rater come back."""
    claims = verify(MADE, KEY, now=NOW)
    assert claims.handle == Handle(CALL.trace_id, CALL.span_id, None, CALL.start_ns)
    assert claims.expires == NOW + 12 * 3600
    assert claims.names == ("user_feedback", "accuracy")
    assert [claims.is_for(rater) for rater in ("u1", claims.rater, "u2")] == [True, True, False]
    assert [claims.allows(name) for name in ("accuracy", "tone")] == [True, False]
    assert "u1" not in MADE


def test_without_limits():
    """A token for anybody and every name, of a call whose trace and start nobody knows."""
    claims = verify(mint(Handle("", CALL.span_id), key=KEY), KEY)
    assert claims.handle == Handle("", CALL.span_id)
    assert claims.is_for("anybody") and claims.allows("anything")
    assert (claims.rater, claims.names) == (None, ())


def test_it_is_text_for_headers_and_addresses():
    """Letters, digits, minus and underscore, and short."""
    assert set(MADE[4:]) <= set(ALPHABET)
    assert MADE.startswith("rlt_")
    assert len(mint(CALL, rater="u1", key=KEY)) == 91


@pytest.mark.parametrize(("ttl", "seconds"), [(60, 60), ("90", 90), ("45s", 45), ("15m", 900), ("12h", 43_200),
                                              ("30d", 2_592_000), ("2w", 1_209_600), ("1.5h", 5400)])  # fmt: skip
def test_how_long_it_holds(ttl, seconds):
    """Seconds, or a number with a unit; it holds up to that second and no longer."""
    made = mint(CALL, ttl=ttl, key=KEY, now=NOW)
    assert verify(made, KEY, now=NOW + seconds - 1).expires == NOW + seconds
    assert refused(made, now=NOW + seconds) == "expired"


@pytest.mark.parametrize("ttl", [0, -1, "", "1y", "soon", "-3d", True, float("nan"), float("inf"), "99999w"])
def test_a_ttl_that_is_none(ttl):
    """It is refused when the token is minted."""
    with pytest.raises(ValueError, match=r"ttl|cannot hold"):
        mint(CALL, ttl=ttl, key=KEY)


@pytest.mark.parametrize("names", [["a,b"], [""], ["x" * 513], ["x" * 300, "y" * 300]])
def test_names_that_are_none(names):
    """A comma, nothing, and more than fits."""
    with pytest.raises(ValueError, match="names"):
        mint(CALL, names=names, key=KEY)


@pytest.mark.parametrize("key", ["", "short", [], ["0123456789abcdef", "short"], b"123456789012345"])
def test_a_key_that_is_none(key):
    """Less than 16 bytes is no secret, and the message does not tell it."""
    with pytest.raises(ValueError, match="at least 16 bytes") as raised:
        mint(CALL, key=key)
    assert "short" not in str(raised.value)


def test_keys_change():
    """The newest signs and all verify; what only a dropped key has signed is refused."""
    before = mint(CALL, key=OLD, now=NOW)
    after = mint(CALL, key=[KEY, OLD], now=NOW)
    assert verify(before, [KEY, OLD], now=NOW).span_id == CALL.span_id
    assert verify(after, KEY, now=NOW).span_id == CALL.span_id
    assert (refused(before), refused(after, key=OLD), refused(MADE, key=OTHER)) == ("signature",) * 3


def test_every_single_bit_counts():
    """No token with one bit of its text flipped is accepted."""
    for place in range(len(MADE)):
        for bit in range(8):
            altered = MADE[:place] + chr(ord(MADE[place]) ^ 1 << bit) + MADE[place + 1 :]
            assert refused(altered) in ("malformed", "signature")


def test_every_other_character_counts():
    """Nor one with any character replaced by another of the alphabet: one token has one spelling."""
    for place in range(len(token.PREFIX), len(MADE)):
        for char in set(ALPHABET) - {MADE[place]}:
            assert refused(MADE[:place] + char + MADE[place + 1 :]) in ("malformed", "signature")


def test_forgeries():
    """Random bytes in random places, whole random tokens, cut and lengthened ones: none of many is accepted."""
    random.seed(20_261_127)
    accepted = 0
    for number in range(FORGERIES):
        try:
            verify(forged(number % 4), KEY, now=NOW)
            accepted += 1
        except InvalidToken:
            continue
    assert accepted == 0


def forged(way: int) -> str:
    """A token that nobody minted."""
    text = list(MADE)
    if way == 0:
        for place in random.sample(range(4, len(text)), random.randint(1, 8)):
            text[place] = random.choice(ALPHABET.replace(text[place], ""))
    elif way == 1:  # a body of its own, under a signature that was seen
        text[4:-22] = random.choices(ALPHABET, k=len(text) - 26)
    elif way == 2:
        text[-22:] = random.choices(ALPHABET, k=22)
    else:
        text = text[: random.randint(0, len(text) - 1)] + random.choices(ALPHABET, k=random.randint(1, 40))
    return "".join(text)


@pytest.mark.parametrize(
    "text",
    ["", "rlt_", "rlt_" + "A" * 86, "rlt_" + "A" * 87, "rlt_" + "A" * 9999,
     MADE + "=", MADE + "==", MADE + "===", MADE + "A", MADE + "\n",
     " " + MADE, MADE[:-1], MADE[4:], "RLT_" + MADE[4:], MADE.replace("A", "Ä"), MADE[:40] + "\ud800" + MADE[41:],
     MADE[:40] + "+" + MADE[41:], MADE[:40] + "\0" + MADE[41:], "00f067aa0ba902b7"],
)  # fmt: skip
def test_what_is_no_token(text):
    """It is refused with a reason, whatever it is."""
    assert refused(text) in ("malformed", "signature")


@pytest.mark.parametrize("text", [None, 5, b"rlt_", ["rlt_"], ["rlt_"] * 100])
def test_what_is_no_text(text):
    """It is malformed as well."""
    assert refused(text) == "malformed"


def test_looking_without_believing():
    """What a token says can be read without its key, and by nobody taken for true."""
    assert unverified(mint(CALL, key=OTHER, now=NOW)).span_id == CALL.span_id
    with pytest.raises(InvalidToken):
        unverified("rlt_nonsense")
