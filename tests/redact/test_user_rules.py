"""The user's own rules: what a file may say, what is said of one that is broken, and patterns that never end."""

from __future__ import annotations

import logging
import re
import sys
import threading

import pytest

from rlhf_otel import config, hooks
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.redact import DEFAULT_RULES, redactor_for, rulefile, timebox
from rlhf_otel.redact.cheap import is_cheap, literals
from rlhf_otel.redact.timebox import BoxedPattern, TooSlow

KEY = "sk-proj-" + "aB3" * 16
ENDLESS = "a" * 50_000 + "!"


@pytest.fixture(autouse=True)
def _said_once():
    hooks._last_said.clear()
    yield
    timebox._elsewhere.end()


@pytest.fixture
def with_rules(tmp_path):
    """A redactor with a file of rules."""

    def made(text, **settings):
        file = tmp_path / "rules.toml"
        file.write_text(text, encoding="utf-8")
        return redactor_for(config.load({"redact_file": str(file), **settings}, {}))

    return made


def call(**fields):
    ends = {"trace_id": "a" * 32, "span_id": "b" * 16, "start_ns": 1, "end_ns": 2}
    return Interaction(**ends, **fields)


def test_a_pattern_of_the_user_comes_before_the_built_in_ones(with_rules):
    """What it matches goes by its name, whatever else it looks like, and the rest goes as ever."""
    redactor = with_rules("[rules]\nours = 'sk-proj-\\w+'\nstaff = { regex = 'emp-\\d+', ignore_case = true }")
    assert redactor.text(f"{KEY} by EMP-77 of a@b.org") == "[REDACTED:ours] by [REDACTED:staff] of [REDACTED:email]"


def test_the_values_of_keys_go_however_they_are_spelled(with_rules):
    """In objects, in JSON that is a text, in JSON within JSON, and in code; whatever kind of value it is."""
    redactor = with_rules('[keys]\ntax = ["tax_id", "ssn*"]')
    mark = "[REDACTED:tax]"
    given = {"taxId": 17, "Tax-ID": "x", "ssn_of_wife": {"a": 1}, "tax": "stays", "n": {"tax_id": ["a", "b"]}}
    assert redactor.value(given) == {
        "taxId": mark, "Tax-ID": mark, "ssn_of_wife": mark, "tax": "stays", "n": {"tax_id": [mark, mark]},
    }  # fmt: skip
    assert redactor.value({"arguments": '{"tax_id": {"deep": 1}, "a": "b"}'}) == {
        "arguments": '{"tax_id": "[REDACTED:tax]", "a": "b"}'
    }
    assert redactor.text('set {"tax_id": "a \\" b"} now') == f'set {{"tax_id": "{mark}"}} now'
    assert redactor.text('say "{\\"tax_id\\": \\"a \\\\\\" b\\"}"') == f'say "{{\\"tax_id\\": \\"{mark}\\"}}"'
    assert redactor.text("dict: {'tax_id': 123456}") == f"dict: {{'tax_id': '{mark}'}}"


@pytest.mark.parametrize("key", ["password", "Authorization", "client_secret", "clientSecret", "api-key", "set-cookie"])
def test_keys_that_everybody_has_need_no_rule(key):
    """Their values go, also the shortest, in objects and in texts; names without a value stay."""
    redactor = redactor_for(config.load({}, {}))
    for value in ("x7", "hunter2", "two words"):
        assert value not in repr(redactor.value({"deep": [{key: value}]}))
        assert value not in redactor.text(f'call it with {{"{key}": "{value}"}} please')
    for value in ("", None, "<your password>", "${SECRET}"):
        assert redactor.value({key: value}) == {key: value}


def test_definitions_of_tools_keep_the_names_of_their_values(with_rules):
    """A schema that has a property called password is no password."""
    redactor = with_rules('[keys]\nown = ["ssn"]')
    tool = {"name": "f", "parameters": {"properties": {"password": {"type": "string"}, "ssn": {"type": "string"}}}}
    clean = call(tools=[tool])
    assert redactor(clean) == clean


def test_what_is_at_a_path_goes_whatever_it_is(with_rules):
    """Through lists, objects and JSON within texts; what a place is made of stays, its words and numbers go."""
    redactor = with_rules("""
[paths]
notes = ["input[*].parts[*].arguments.notes", 'attributes."app.user"', "context.*", "output[0].parts[0]"]
said = "metadata.who"
""")
    part = {"type": "tool_call", "arguments": '{"notes": {"a": [1, "x", true]}, "b": "stays"}'}
    dirty = call(
        input=[{"role": "user", "parts": [part, {"type": "text", "content": "stays"}]}],
        output=[{"role": "assistant", "parts": [{"type": "text", "content": "goes"}]}],
        attributes={"app.user": "ann", "app": "stays"}, context={"a": 1, "b": {"c": "d"}},
    )  # fmt: skip
    clean, mark = redactor(dirty), "[REDACTED:notes]"
    assert clean.input[0]["parts"][0]["arguments"] == f'{{"notes": {{"a": ["{mark}", "{mark}", true]}}, "b": "stays"}}'
    assert clean.input[0]["parts"][1] is dirty.input[0]["parts"][1]
    assert clean.output == [{"role": "assistant", "parts": [{"type": "text", "content": mark}]}]
    assert (clean.attributes, clean.context) == ({"app.user": mark, "app": "stays"}, {"a": mark, "b": {"c": mark}})
    rated = Feedback(id="1", name="n", kind="comment", time_ns=1, metadata={"who": "ann", "n": 1})
    assert redactor.redact_feedback(rated).metadata == {"who": "[REDACTED:said]", "n": 1}


def test_what_cannot_be_gone_into_goes_whole(with_rules):
    """Arguments that begin as JSON and end as nothing may have it anywhere."""
    redactor = with_rules('[paths]\nnotes = "input[*].parts[*].arguments.notes"')
    broken = call(input=[{"role": "user", "parts": [{"type": "tool_call", "arguments": '{"notes": "x'}]}])
    assert redactor(broken).input[0]["parts"][0]["arguments"] == "[REDACTED:notes]"


def test_what_is_allowed_stays(with_rules):
    """Exactly these, and what a pattern matches from end to end; also as the value of a key."""
    redactor = with_rules("[allow]\nexact = ['help@x.org', 'swordfish']\nregex = ['.*@docs\\.x\\.org']")
    kept = 'help@x.org ann@docs.x.org {"password": "swordfish"}'
    assert redactor.text(f"{kept} ann@x.org") == f"{kept} [REDACTED:email]"
    assert redactor.text("ann@docs.x.org.evil.com") == "[REDACTED:email]"


def test_built_in_rules_and_groups_can_be_switched_off(with_rules):
    """By the file or by the setting, by the name of a rule or of a group."""
    text = f"{KEY} a@b.org +49 170 2345678"
    assert with_rules('disable = ["email", "openai-key"]').text(text) == f"{KEY} a@b.org [REDACTED:phone]"
    only = with_rules("", redact_rules="email")
    assert only.text(text) == f"{KEY} [REDACTED:email] +49 170 2345678"
    assert only.value({"password": "hunter2"}) == {"password": "hunter2"}
    assert (
        with_rules("", redact_rules="all,-phone").text(text) == "[REDACTED:openai-key] [REDACTED:email] +49 170 2345678"
    )


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[rules]\nok = 'x1'\nbad = '(a'", 3, "'bad' is no regular expression"),
        ("[rules]\nok = 'x1'\n[rules.bad]\nregexp = 'a'", 3, "the rule 'bad' has no regex"),
        ("[rules]\nok = 'x1'\nbad = { regex = 'a', flags = 1 }", 3, "the rule 'bad' has 'flags'"),
        ("[rules]\nok = 'x1'\n'No Name' = 'a'", 3, "is no name"),
        ("[rules]\nok = 'x1'\n\n[keys]\nbad = 7", 5, "'bad' takes the names of keys"),
        ("[rules]\nok = 'x1'\n[paths]\nbad = 'nowhere.x'", 4, "begins with none of input"),
        ("[rules]\nok = 'x1'\n[paths]\nbad = 'input[x]'", 4, "is no path from its character 6"),
        ("disable = ['everything']\n[rules]\nok = 'x1'", 1, "no rule is called 'everything'"),
        ("[rules]\nok = 'x1'\n[rule]\na = 'b'", 3, "there is no 'rule'"),
        ("[rules]\nok = 'x1'\n[allow]\nexactly = ['a']", 3, "allow takes exact and regex"),
    ],
)  # fmt: skip
def test_a_fault_is_said_with_its_line_and_all_else_holds(with_rules, caplog, text, line, said):
    """The application starts, with the built-in rules and those that could be read, and it is said once."""
    redactor = with_rules(text)
    assert redactor.text(f"x1 {KEY}") == "[REDACTED:ok] [REDACTED:openai-key]"
    (message,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert f"rules.toml, line {line}: " in message
    assert said in message


@pytest.mark.parametrize("text", ["[rules\nok = 1", "\x00"])
def test_a_file_that_is_no_toml_leaves_the_built_in_rules(with_rules, caplog, text):
    """The parser's own words name the line."""
    assert with_rules(text).text(KEY) == "[REDACTED:openai-key]"
    assert "line 1" in caplog.text


def test_a_file_that_is_not_there_leaves_the_built_in_rules(tmp_path, caplog):
    """And says which file."""
    redactor = redactor_for(config.load({"redact_file": str(tmp_path / "none.toml")}, {}))
    assert redactor.text(KEY) == "[REDACTED:openai-key]"
    assert "none.toml cannot be read: No such file or directory" in caplog.text


def test_a_pattern_that_never_ends_masks_the_text_whole(with_rules, caplog):
    """The text is never passed raw, the next text is looked at again, and what was hopeless is not tried again."""
    redactor, before = with_rules("[rules]\nbad = '(a+)+$'"), hooks.counters["redaction_timeouts"]
    assert redactor.text(ENDLESS) == "[REDACTED:too-slow]"
    assert redactor.value({"k": [ENDLESS]}) == {"k": ["[REDACTED:too-slow]"]}
    assert redactor.text("baaa") == "b[REDACTED:bad]"
    assert hooks.counters["redaction_timeouts"] == before + 2
    assert "takes too long, so texts are masked whole: (a+)+$" in caplog.text


def test_other_threads_go_on_while_a_pattern_is_tried():
    """The interpreter is not held: somebody else gets as much done as ever."""
    done, ends = [0], threading.Event()

    def count():
        while not ends.is_set():
            done[0] += 1

    counting = threading.Thread(target=count)
    counting.start()
    with pytest.raises(TooSlow):
        BoxedPattern(re.compile("(b+)+$")).spans("b" * 50_000 + "!")
    ends.set()
    counting.join()
    assert done[0] > 10_000


@pytest.mark.parametrize("name", [{"executable": "/usr/bin/uwsgi"}, {"frozen": True}, {"executable": None}])
def test_where_no_process_can_be_started_the_text_is_masked(monkeypatch, with_rules, name):
    """In a frozen program, or in a server that has Python in it, nobody starts that program again."""
    for attribute, value in name.items():
        monkeypatch.setattr(sys, attribute, value, raising=False)
    redactor = with_rules("[rules]\nbad = '(x+)+y'")
    assert redactor.text("xxxy") == "[REDACTED:too-slow]"


def test_an_allowed_pattern_that_never_ends_allows_nothing(with_rules):
    """What cannot be told in time is masked."""
    address = "a" * 60 + "@example.com"
    assert with_rules("[allow]\nregex = ['(a+)+@example.org']").text(address) == "[REDACTED:email]"


@pytest.mark.parametrize(
    ("pattern", "cheap", "words"),
    [
        (r"TICKET-\d+", True, ("TICKET-",)), (r"\d{3}-\d{2}-\d{4}", True, ()), (r"cust_[a-z0-9]+\b", True, ("cust_",)),
        (r"(?i)emp-\d+", True, ()), (r"x[^x]+", True, ()), (r"[A-Z]{2,4}-\d{4,10}", True, ()),
        (r"(a+)+$", False, ()), (r"\s+x", False, ()), (r"cust_\w+", False, ("cust_",)),
        (r".*secret", False, ("secret",)),
        (r"(x|y){1,30}z", False, ()), (r"(a)\1*", False, ()), (r"a\w*", False, ()), (r"(?i)K\w+", False, ()),
        (r"(?:ab|a){1,20}c", False, ()), (r"(?=a+b)a", False, ()),
    ],
)  # fmt: skip
def test_only_what_is_plainly_cheap_is_matched_in_place(pattern, cheap, words):
    """Bounded repeats, or one run behind a literal that is none of the run; a word in it spares most texts a look."""
    assert is_cheap(re.compile(pattern)) is cheap
    assert literals(re.compile(pattern)) == words


def test_what_is_cheap_takes_no_more_than_the_length_of_a_text():
    """Half a megabyte made against each is done before the test times out."""
    for pattern, text in [(r"TICKET-\d+", "TICKET-" * 70_000), (r"x[^x]+", "x" * 500_000),
                          (r"\d{3}-\d{2}", "1" * 500_000), (r"[A-Z]{2,4}-\d{4,10}", "AB-1" * 125_000)]:  # fmt: skip
        assert isinstance(BoxedPattern(re.compile(pattern)).spans(text), list)


def test_hashes_tell_equal_values_and_nothing_else():
    """The same value has the same digits under one key, other values and other keys have others."""
    first, second = (
        redactor_for(config.load({"redact_hash": True, "redact_key": key}, {})) for key in ("k" * 16, "other" * 4)
    )
    one, again, two = (first.text(text) for text in ("a@b.org", "to a@b.org!", "c@b.org"))
    assert re.fullmatch(r"\[REDACTED:email:[0-9a-f]{6}\]", one)
    assert again == f"to {one}!"
    assert len({one, two, second.text("a@b.org")}) == 3
    assert first.text(one) == one
    assert first.value({"password": "hunter2"}) == first.value({"password": "hunter2"})


def test_without_a_key_of_its_own_hashes_are_of_the_installation(tmp_path, monkeypatch):
    """Two processes of one installation give the same digits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RLHF_OTEL_TOKEN_KEY", "t" * 20)
    marks = {redactor_for(config.load({"redact_hash": True})).text("a@b.org") for _ in range(2)}
    assert len(marks) == 1


def test_a_name_that_no_rule_has_is_said(caplog):
    """A slip in the setting must not switch redaction off in silence."""
    redactor_for(config.load({"redact_rules": "all,-emial"}, {}))
    assert "redact_rules names 'emial'" in caplog.text


def test_known_rules_have_names_that_a_file_may_use():
    """A name of a rule is one that placeholders and files can have."""
    assert [rule.name for rule in DEFAULT_RULES if not rulefile._NAME.match(rule.name)] == []
