"""What the redactor takes out, what it leaves alone, and that hostile text cannot slow it down."""

from __future__ import annotations

import dataclasses
import json
import random
import re
import string
import sys

import pydantic_core  # noqa: F401 - the faster search is used where it is there
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf_otel import codec
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.redact import DEFAULT_RULES, Redactor, Rule
from rlhf_otel.redact.fields import INTERACTION_FIELDS
from rlhf_otel.redact.gate import Gate
from rlhf_otel.redact.rules import SHORTEST

redactor = Redactor()


def token(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    """A made-up secret: the prefix beside it in a test is what makes it look like a key."""
    return "".join(random.Random(length).choices(alphabet, k=length))


BODY = "\n".join(token(64) for _ in range(3))
SECRETS = [
    ("openai-key", "sk-" + token(48)),
    ("openai-key", "sk-proj-" + token(40) + "_" + token(40) + "-" + token(20)),
    ("anthropic-key", "sk-ant-api03-" + token(80) + "-" + token(8) + "AA"),
    ("openrouter-key", "sk-or-v1-" + token(64, "0123456789abcdef")),
    ("google-key", "AIza" + token(35)),
    ("aws-key", "AKIA" + token(16, string.ascii_uppercase + string.digits)),
    ("aws-key", "ASIA" + token(16, string.ascii_uppercase + string.digits)),
    ("github-token", "ghp_" + token(36)),
    ("github-token", "gho_" + token(36)),
    ("github-token", "github_pat_" + token(22) + "_" + token(59)),
    ("huggingface-token", "hf_" + token(34)),
    ("slack-token", "xoxb-" + token(12, string.digits) + "-" + token(24)),
    ("stripe-key", "sk_live_" + token(24)),
    ("stripe-key", "rk_live_" + token(24)),
    ("groq-key", "gsk_" + token(52)),
    ("xai-key", "xai-" + token(80)),
    ("jwt", "eyJ" + token(20) + ".eyJ" + token(60) + "." + token(43)),
    ("private-key", f"-----BEGIN RSA PRIVATE KEY-----\n{BODY}\n-----END RSA PRIVATE KEY-----"),
    ("private-key", f"-----BEGIN PRIVATE KEY-----\n{BODY}"),
    ("email", "jane.doe+news@mail.example.co.uk"),
    ("email", "jörg@müller.de"),
]


@pytest.mark.parametrize(("name", "secret"), SECRETS)
@pytest.mark.parametrize(
    "around", ["{}", "my key: {}, keep it", '{{"key":"{}"}}', "看{}。", "\u202e{}\ud800", "(<{}>)"]
)
def test_a_secret_is_replaced_by_its_kind(name: str, secret: str, around: str) -> None:
    """Each kind of secret goes, whatever stands around it, and everything else of the text stays."""
    assert redactor.text(around.format(secret)) == around.format(f"[REDACTED:{name}]")


@pytest.mark.parametrize(
    "header", ["Authorization: Bearer ", "authorization=bearer ", 'curl -H "Authorization: Bearer ']
)
def test_a_bearer_header_keeps_its_name_and_loses_its_token(header: str) -> None:
    """What follows `Bearer` in a header goes, and the header stays readable."""
    assert redactor.text(f"{header}opaque-token-here") == f"{header}[REDACTED:bearer-token]"


@pytest.mark.parametrize(
    "text",
    [
        "sk-learn and scikit-learn", "task-based, risk-averse, disk-backed work", "sk-fading-circle-container-wrap",
        "@property\ndef f(self): ...", "@app.route('/x')", "user@host", "root@localhost:~#",
        "a @ b.T", "@jane.doe said",
        "git@github.com:org/repo.git", "attn = q@k.transpose(-2, -1)", "react@18.2.0", "AKIAN",
        "hf_hub_download(repo_id)",
        "hf_transformers_version_number_string", "bearer responsibilities in this house", "the bearer of bad news",
        "eyJust kidding", "a PRIVATE KEY is needed", "-----BEGIN PRIVATE KEY----- is how it starts", "ghp_ is a prefix",
        "xoxo, your friend", "github_pattern", "gsk_", "x-ai-model", "-----BEGIN CERTIFICATE-----",
    ],
)  # fmt: skip
def test_prose_and_code_that_look_a_little_like_secrets_stay(text: str) -> None:
    """Words, decorators, prompts and prefixes without a key behind them are not touched."""
    assert redactor.text(text) == text


def interaction(secret: str) -> Interaction:
    """An interaction with `secret` in every place that the redactor promises to look at."""
    message = {"role": "user", "parts": [{"type": "text", "content": f"I use {secret}."}]}
    call = {"type": "tool_call", "name": "f", "arguments": {"nested": [{"deep": (secret, 1, None, True)}], secret: 1}}
    return Interaction(
        trace_id="a" * 32, span_id="b" * 16, start_ns=1, end_ns=2, input=[message], system=[{"content": secret}],
        output=[{"role": "assistant", "parts": [call]}], tools=[{"description": secret}], error_message=f"no {secret}",
        context={"note": secret}, attributes={"text": secret, "list": (secret,), "number": 5},
    )  # fmt: skip


def test_every_text_of_an_interaction_is_cleaned() -> None:
    """Content, tool arguments at any depth, their names, the error message, context and attributes lose the secret."""
    secret = "ghp_" + token(36)
    clean = redactor(interaction(secret))
    assert secret not in repr(clean)
    assert clean == interaction("[REDACTED:github-token]")


@pytest.mark.parametrize("key", ["db_password", "SMTP-Passwd", "dbPwd", "OPENAI_API_KEY", "webhook.signing_secret"])
def test_a_key_that_ends_like_one_of_a_secret_is_one(key: str) -> None:
    """As arguments of tools have them; what only has such a word in it is none."""
    assert "open sesame" not in str(redactor.value({"connect": {key: "open sesame", "host": "db"}}))
    for other in (f"{key}_policy", f"{key}s", "next_page_token"):
        assert redactor.value({other: "open sesame"}) == {other: "open sesame"}


def test_names_of_keys_are_cleaned_and_none_is_lost() -> None:
    """An address book keeps its entries, also in JSON within a text; names without secrets are left alone."""
    book = {"a@b.org": 1, "c@d.org": {"e@f.org": 2}, 3: "x", "plain": 4, "password": "open sesame"}
    kept = {"[REDACTED:email]": 1, "[REDACTED:email]:2": {"[REDACTED:email]": 2}, "plain": 4,
            "password": "[REDACTED:password]"}  # fmt: skip
    for _ in range(2):
        assert redactor.value(book) == {**kept, 3: "x"}
        assert json.loads(redactor.text(json.dumps(book))) == {**kept, "3": "x"}
    clean = {"plain": 4, "content": {"parts": 1}}
    assert all(redactor.value(clean) is clean for _ in range(2))


def test_the_original_is_not_changed() -> None:
    """A caller who keeps the interaction or its messages sees them as they were."""
    original = interaction("hf_" + token(34))
    redactor(original)
    assert original == interaction("hf_" + token(34))


def test_clean_records_are_handed_on_as_they_are() -> None:
    """Where nothing is found, no copy is made: not of the record and not of any part of it."""
    clean = interaction("nothing")
    feedback = Feedback(id="1", name="n", kind="comment", time_ns=1, comment="fine", metadata={"a": ["b"]})
    assert redactor(clean) is clean
    assert redactor.redact_feedback(feedback) is feedback


def test_untouched_parts_are_shared() -> None:
    """Only the path to a secret is copied."""
    dirty = dataclasses.replace(interaction("nothing"), error_message="mail me: a@b.org")
    assert redactor(dirty).input is dirty.input


def test_every_text_of_a_feedback_is_cleaned() -> None:
    """Comment, correction, label, value and metadata lose the secret; ids and numbers stay."""
    given_ = Feedback(
        id="1", name="n", kind="correction", time_ns=1, span_id="b" * 16, comment="a@b.org", correction="a@b.org",
        label="a@b.org", value={"text": "a@b.org", "n": 1}, metadata={"who": "a@b.org"}, rater="a@b.org",
    )  # fmt: skip
    clean = redactor.redact_feedback(given_)
    gone = "[REDACTED:email]"
    assert (clean.comment, clean.correction, clean.label) == (gone, gone, gone)
    assert (clean.value, clean.metadata) == ({"text": gone, "n": 1}, {"who": gone})
    assert (clean.id, clean.span_id, clean.rater) == (given_.id, given_.span_id, given_.rater)


def test_a_value_that_is_no_text_keeps_its_type() -> None:
    """True stays True and 1 stays 1."""
    for value in (True, 1, 1.0, None):
        feedback = Feedback(id="1", name="n", kind="custom", time_ns=1, value=value)
        assert redactor.redact_feedback(feedback) is feedback


def test_a_structure_deeper_than_anything_real_is_dropped_not_crashed_on() -> None:
    """Hostile nesting ends in a placeholder, so nothing unseen gets through."""
    deep: object = "a@b.org"
    for _ in range(100_000):
        deep = [deep]
    clean = redactor(dataclasses.replace(interaction("x"), context={"deep": deep}))
    level: object = clean.context["deep"]
    while isinstance(level, list):
        level = level[0]
    assert level == "[REDACTED:nested-too-deeply]"


def test_own_rules_take_the_place_of_the_default_ones() -> None:
    """A redactor uses exactly the rules that it is given."""
    rule = Rule("ticket", __import__("re").compile(r"TICKET-\d+"), ("TICKET-",))
    assert Redactor([rule]).text("TICKET-7 of a@b.org") == "[REDACTED:ticket] of a@b.org"


@given(st.text(st.characters(codec=None), max_size=300))
def test_redacting_twice_is_redacting_once(text: str) -> None:
    """A placeholder is never taken for a secret, in any text, lone surrogates included."""
    once = redactor.text(text)
    assert redactor.text(once) == once


@given(
    st.lists(st.sampled_from([secret for _, secret in SECRETS] + ["sk-", "@", ".", "-----", " ", "eyJ"]), max_size=12)
)
def test_placeholders_survive_a_second_pass_among_secrets(pieces: list[str]) -> None:
    """Whatever is glued together, the second pass finds no placeholder of the first."""
    once = redactor.text(" ".join(pieces))
    assert redactor.text(once) == once


def test_every_keyword_is_needed_by_its_pattern() -> None:
    """The cheap look before a pattern never hides a secret: each sample holds a keyword of the rule that finds it."""
    for name, secret in SECRETS:
        rules = [rule for rule in DEFAULT_RULES if rule.name == name and rule.pattern.search(secret)]
        assert rules
        assert all(any(keyword in secret for keyword in rule.keywords) for rule in rules)


HOSTILE = [
    "a", "a@", "a.", "@", ".", "-", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n" + "A" * 16, "sk-",
    "sk-proj-", "eyJ", "eyJaaaaaaaa.", "eyJaaaaaaaa.eyJ", "Bearer ", "bearer a", "authorization", "authorization: ",
    "xoxb-", "AIza", "AKIA", "ghp_", "hf_", "a@b.", "a@b-", "a@" + "b." * 9, "\\n", "-x", "%+-", "bearer " + "a" * 399,
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("tail", ["", "@", "!", "-----END", "@x.c0"])
def test_hostile_text_takes_no_more_than_its_length(piece: str, tail: str) -> None:
    """Half a megabyte made to confuse a pattern is done before the test times out; a quadratic pattern would not be."""
    keywords = " @ sk- _ PRIVATE KEY eyJ earer AIza AKIA xox hf_ ghp_ "
    text = piece * (500_000 // len(piece)) + tail
    assert isinstance(redactor.text(keywords + text), str)


def test_a_text_that_is_too_short_for_a_key_holds_none() -> None:
    """Only the rule for addresses matches what the redactor takes to be too short to look at."""
    parser = pytest.importorskip("re._parser", reason="the width of a pattern is told by Python 3.11 and newer")
    widths = {rule.name: parser.parse(rule.pattern.pattern).getwidth()[0] for rule in DEFAULT_RULES}
    assert min(width for name, width in widths.items() if name != "email") >= SHORTEST


def test_no_object_is_passed_on_unread() -> None:
    """Text inside a set, an exception or an object is found as it is anywhere else."""
    hidden = {
        "set": {"a@b.org"},
        "error": ValueError("a@b.org"),
        "bytes": b"a@b.org",
        "rule": Rule("a@b.org", None, ()),
    }
    clean = redactor(dataclasses.replace(interaction("x"), context=hidden))
    assert "a@b.org" not in repr(clean)


def encoded(i: Interaction) -> dict[str, str]:
    """The JSON of its fields, as the pipeline hands it to the redactor."""
    made = codec.encoded_fields(i, INTERACTION_FIELDS)
    assert made is not None
    return made


@pytest.mark.parametrize(("name", "secret"), SECRETS)
@pytest.mark.parametrize("core", [True, False], ids=["with pydantic_core", "without"])
@pytest.mark.parametrize("around", ["{}", '"{}"\\\n\x00\x1f\x7f/', "é看\U0001f600{}\u2028"])
def test_what_is_found_in_a_text_is_found_by_its_json(monkeypatch, name, secret, core, around) -> None:
    """No secret hides behind what JSON escapes, in any field, whichever encoder wrote it."""
    if not core:
        monkeypatch.delitem(sys.modules, "pydantic_core")
    fresh, text = Redactor(), around.format(secret)
    message = {"role": "user", "parts": [{"type": "text", "content": text}]}
    ends = {"trace_id": "", "span_id": "", "start_ns": 0, "end_ns": 0}
    for field, value in {
        "input": [message], "system": [{"content": text}], "output": [message], "tools": [{"description": text}],
        "error_message": text, "context": {"note": text}, "attributes": {"text": [text]},
    }.items():  # fmt: skip
        dirty = Interaction(**ends, **{field: value})
        clean = fresh(dirty, encoded(dirty))
        assert clean == fresh(dirty)
        assert f"[REDACTED:{name}]" in repr(clean)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.booleans(),
)
def test_any_word_of_a_rule_is_found_by_its_json(word: str, around: str, core: bool) -> None:
    """Rules of one's own may look for words with quotes, line breaks or letters that JSON escapes."""
    own = Redactor([Rule("word", re.compile(re.escape(word)), (word,))])
    dirty = dataclasses.replace(interaction("x"), error_message=around + word + around)
    with pytest.MonkeyPatch.context() as patched:
        if not core:
            patched.delitem(sys.modules, "pydantic_core")
        assert own(dirty, encoded(dirty)) == own(dirty)


@given(st.lists(st.text(st.characters(codec=None), min_size=1, max_size=4), max_size=5), st.text(max_size=50))
def test_words_are_found_all_at_once_as_they_are_one_by_one(words: list[str], text: str) -> None:
    """The fast search for many words finds what looking for each does; in halves of characters it claims a find."""
    expected = any(word in text for word in words)
    gate = Gate([Rule("word", re.compile("x"), tuple(words))] if words else [])
    assert gate.lets(text) is expected
    assert gate.lets("\ud800" + text)


def test_clean_json_is_not_looked_at_again() -> None:
    """An interaction without a keyword in its JSON is handed on as it is."""
    clean = interaction("nothing")
    assert redactor(clean, encoded(clean)) is clean
