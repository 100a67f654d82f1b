"""Every built-in rule finds what its makers describe, whatever stands around it, and none finds what is no secret."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter

import pydantic_core  # noqa: F401 - the faster search is used where it is there
import pytest

from rlhf_otel.redact import DEFAULT_RULES, Redactor
from rlhf_otel.redact.rule import ALONE, PLACEHOLDER
from rlhf_otel.redact.rulefile import UserRule
from tests.real_data.convert import FOLDER
from tests.redact.keys import KEYS, NAMED, Maker

redactor = Redactor()
SEEDS = range(25)
AROUND = ["{}", "my key: {}, keep it", "A({});", "line\n{}\nline", '{{"a":"{}"}}', "看{}。"]


@pytest.mark.parametrize(("name", "build"), KEYS, ids=[f"{name}-{at}" for at, (name, _) in enumerate(KEYS)])
def test_what_makers_describe_is_found(name, build):
    """Whoever issued it, a key is replaced by its kind, and its last half is nowhere in the text any more."""
    for seed in SEEDS:
        key = build(Maker(seed))
        for around in AROUND:
            clean = redactor.text(around.format(key))
            assert f"[REDACTED:{name}]" in clean
            assert key[-len(key) // 2 :] not in clean


def test_a_key_behind_an_escaped_line_break_is_found():
    """JSON that is a text within a text writes a line break with a letter, which is no part of a word."""
    begun = {rule.name for rule in DEFAULT_RULES if str(rule.regex).startswith(ALONE)}
    keys = [(name, build(Maker(1))) for name, build in KEYS if name in begun]
    assert len(keys) > 90
    assert [name for name, key in keys if f"[REDACTED:{name}]" not in redactor.text(f'{{"a":"line\\n{key}"}}')] == []


@pytest.mark.parametrize(("name", "around", "build"), NAMED, ids=[f"{n}-{at}" for at, (n, _, _) in enumerate(NAMED)])
def test_what_only_its_name_tells_is_found(name, around, build):
    """A secret without a form of its own goes where something beside it says what it is; that stays."""
    for seed in SEEDS:
        key = build(Maker(seed))
        assert redactor.text(around.format(key)) == around.format(f"[REDACTED:{name}]")


def test_the_makers_know_every_rule():
    """No rule is without a sample that was made without looking at it."""
    assert {name for name, *_ in (*KEYS, *NAMED)} == {rule.name for rule in DEFAULT_RULES}


@pytest.mark.parametrize(
    "text",
    [
        "password: str", "password = get_password()", "pwd = os.getcwd()", "Password: must have 8 characters",
        'password = "${DB_PASSWORD}"', "api_key=YOUR_API_KEY_GOES_HERE_1", "api_key = os.environ['OPENAI_API_KEY']",
        "token: the smallest unit of text that a model reads", "secret: nobody has told me anything about it so far",
        "the key is: practice every day", "max_tokens: 4096", "token_count=128000", "sort_key: created_at",
        "primary_key=True", "mysql --password PASSWORD", "<password>your-password</password>", "/%40alice/b.txt",
        '{"next_page_token":"abc"}', '{"reset_password":true}', '<input type="password" name="pwd">',
        "postgres://user@localhost/db", "http://localhost:8080/@me", "see http://a.b/c:d",
        "1.2.3.4", "version 10.0.19045.3693", "192.168.0.1", "127.0.0.1:4318", "2001:db8::1", "12:30:45", "std::string",
        "4111 1111 1111 1112", "order 1234567890123456", "ISBN 978-3-16-148410-0", "2010-2011", "123-45-6789",
        "555-1234", "10.1000/182", "3.14159265358979", "1,234,567,890", "call 3 times", "2026-11-27 06:20:03",
        "DE00370400440532013000", "^(.+@mysite.com)$", "SKU 12345", "patience", "0x1234567890abcdef", "+1",
        "+1 million",
        "7d9f2a1b-3c4d-4e5f-8a9b-0c1d2e3f4a5b", "d41d8cd98f00b204e9800998ecf8427e",
    ],
)  # fmt: skip
def test_what_looks_a_little_like_a_secret_stays(text):
    """Placeholders in examples, code that asks for a secret, versions, private addresses, hashes and dates stay."""
    assert redactor.text(text) == text


def test_a_card_or_an_account_with_a_wrong_digit_is_none():
    """The check digits tell them from any other number."""
    card, account = Maker(1).card("4", 16), Maker(1).iban("DE", 22)
    for number in (card, account):
        wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
        assert redactor.text(number) != number
        assert redactor.text(wrong) == wrong


def texts(value):
    """Every text within a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts(item)


@pytest.mark.real_data
def test_in_what_real_people_say_only_addresses_and_telephones_are_found():
    """In 26,000 texts of conversations nothing is taken for a key, and all that is found was looked at: it is true."""
    found: Counter[str] = Counter()
    seen: set[str] = set()
    for file in sorted(FOLDER.glob("*.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            seen.update(text for line in lines for text in texts(json.loads(line)))
    for text in seen:
        found.update(match[1] for match in PLACEHOLDER.finditer(redactor.text(text)))
    assert len(seen) > 26_000
    assert set(found) == {"email", "phone"}
    assert found["phone"] <= 60
    assert found["email"] <= 60


def test_a_rule_that_may_take_long_is_known_as_one():
    """So that a server does not wait for it where all its requests are served."""
    made = {pattern: Redactor([UserRule("own", re.compile(pattern))]).may_wait for pattern in ("(a+)+$", "TICKET-\\d+")}
    assert made == {"(a+)+$": True, "TICKET-\\d+": False}
    assert not Redactor().may_wait
