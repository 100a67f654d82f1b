"""`traces`, `show` and `config`: what is recorded, as people and as programs read it."""

from __future__ import annotations

import json

import pytest
from rich.cells import cell_len

from rlhf_otel.config import SETTINGS
from rlhf_otel.store import Store

from .conftest import CALL, ESCAPE, FAILED, GOOD, LEFT, UNSEEN, interaction, opinion, text


def spans(result):
    return [row["span_id"] for row in json.loads(result.stdout)]


SHOWN = (GOOD, FAILED, LEFT, "gpt-5-mini", "How long does an", "Seven minutes", "1.4 s", "345 tok/s", "12 in",
         "345 out", "👎 💬 ✎, helpfulness 4/5", "abandoned", "RateLimitError", "slow down",
         'weather({"city": "Paris"})')  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 100, 110, 160])
def test_traces_shows_each_call_in_any_width(run, store, monkeypatch, width):
    """Whole id, model, prompt, answer, speed, tokens and feedback, within the width and without padding."""
    monkeypatch.setenv("COLUMNS", str(width))
    result = run("traces", "--store", store)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    unwrapped = " ".join(result.stdout.split())
    for part in SHOWN if width < 110 else SHOWN[:8]:
        assert part in unwrapped, part
    assert max(map(cell_len, lines)) <= width
    assert all(line and line == line.rstrip() for line in lines)
    assert ("Span id" in result.stdout) == (width >= 110)
    assert lines[0].startswith("Time") == (width > 60)
    assert ("TTFT 420 ms" in unwrapped) == (width == 60)


@pytest.mark.parametrize("width", [60, 100, 160])
def test_a_call_in_one_piece_shows_how_long_it_took(run, store, monkeypatch, width):
    """What has no first token has a length all the same; a stream has both."""
    with Store.open(store) as opened:
        opened.add([interaction("a" * 16, 0, stream=False, stream_end=None, time_to_first_token_s=None,
                                end_ns=interaction("a" * 16, 0).start_ns + 2_720_000_000)])  # fmt: skip
    monkeypatch.setenv("COLUMNS", str(width))
    shown = run("traces", "--store", store).stdout
    assert "2.7 s" in shown
    assert "420 ms" in shown


PNG = {"type": "uri", "modality": "image", "mime_type": "image/png", "byte_size": 812_345, "uri": f"sha256:{'4c' * 32}"}
SOUND = {"type": "uri", "modality": "audio", "mime_type": "audio/mpeg", "uri": ""}
FLAGS = {"type": "moderation", "flagged": True, "categories": ["hate", "violence"], "scores": {"hate": 0.9}}


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([PNG], "[image, image/png, 812 kB, sha256:4c4c4c4c…]"),
        ([{"type": "uri", "modality": "image", "uri": "https://x.org/a.png"}], "[image, https://x.org/a.png]"),
        ([{"type": "file", "modality": "document", "file_id": "file-1"}], "[document, file-1]"),
        ([FLAGS], "flagged: hate, violence"),
        ([{**FLAGS, "flagged": False, "categories": []}], "not flagged"),
    ],
)
def test_answers_without_words_are_shown_by_what_they_are(run, store, parts, said):
    """A picture, a file or a judgement stands where the text of an answer would, in the list and in `show`."""
    shown = interaction("a" * 16, 0, input=[{"role": "user", "parts": [SOUND]}], operation="image_generation",
                        output=[{"role": "assistant", "parts": parts}])  # fmt: skip
    with Store.open(store) as opened:
        opened.add([shown])
    for command in (("traces",), ("show", "a" * 16)):
        words = " ".join(run(*command, "--store", store).stdout.split())
        assert said in words
        assert "[audio, audio/mpeg]" in words


def test_what_comes_with_words_stands_behind_them(run, store):
    """The list names the picture beside a question and the call beside an answer, and every text that was embedded."""
    asked = [text("user", "a picture", name="before"), {"role": "user", "parts": [*text("user", "And?")["parts"], PNG]}]
    answered = {"role": "assistant", "parts": [*text("", "Let me see.")["parts"], *CALL[0]["parts"]]}
    several = {"operation": "embeddings", "output": [], "input": [text("user", "first"), text("user", "second")]}
    with Store.open(store) as opened:
        opened.add([interaction("a" * 16, 0, input=asked, output=[answered]), interaction("b" * 16, 1, **several)])
    words = " ".join(run("traces", "--store", store).stdout.split())
    assert "And? [image, image/png, 812 kB, sha256:4c4c4c4c…] Let me see. weather(" in words
    assert f"{'b' * 16} first second" in words


def test_a_prompt_has_room_in_a_small_terminal(run, store, monkeypatch):
    """At 80 columns fifty characters of prompt and answer can be read, and more are cut."""
    long = interaction("a" * 16, 0, input=[text("user", "p" * 200)], output=[text("assistant", "a" * 200)])
    with Store.open(store) as opened:
        opened.add([long])
    monkeypatch.setenv("COLUMNS", "80")
    shown = run("traces", "--store", store).stdout
    for letter in "pa":
        assert f"{letter * 50}" in shown
        assert f"{letter * 62}" not in shown


def test_traces_piped_without_columns_are_100_wide(run, store, monkeypatch):
    """Where nobody says how wide the output is, it is as wide as can be read."""
    monkeypatch.delenv("COLUMNS")
    assert max(map(cell_len, run("traces", "--store", store).stdout.splitlines())) <= 100


def test_what_there_is_to_say_of_the_list_is_on_stderr(run, store):
    """How many more there are, and what the marks mean where there are any."""
    result = run("traces", "--store", store, "--limit", "1")
    assert "1 of 3 calls; --limit N for more" in result.stderr
    assert "👎 bad  💬 with a comment  ✎ with a correction" in result.stderr
    assert "👍" not in result.stderr
    assert run("traces", "--store", store, "--no-feedback").stderr == ""
    assert "1 calls; --limit N" in run("traces", "--store", store, "--limit", "1", "--since", "1h").stderr


def test_traces_as_json_is_newest_first_with_feedback(run, store):
    """--json prints one array of whole interactions with the feedback that counts."""
    result = run("traces", "--json", "--store", store)
    rows = json.loads(result.stdout)
    assert [row["span_id"] for row in rows] == [GOOD, FAILED, LEFT]
    assert [one["id"] for one in rows[0]["feedback"]] == ["f2", "f3", "f4"]
    assert rows[0]["feedback"][1]["score"] == 0.75
    assert ESCAPE in rows[0]["response_text"]


def test_traces_as_json_lines(run, store):
    """--jsonl prints one object a line."""
    lines = run("traces", "--jsonl", "--store", store).stdout.splitlines()
    assert [json.loads(line)["span_id"] for line in lines] == [GOOD, FAILED, LEFT]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--limit", "1"), [GOOD]),
        (("--session", "conv-42"), [GOOD]),
        (("--user", "u1"), [GOOD]),
        (("--model", "gpt-5"), [FAILED]),
        (("--since", "1h"), [GOOD, FAILED]),
        (("--since", "2m"), [GOOD]),
        (("--since", "2020-01-01"), [GOOD, FAILED, LEFT]),
        (("--since", "2020-01-01T10:00:00Z"), [GOOD, FAILED, LEFT]),
        (("--has-feedback",), [GOOD]),
        (("--no-feedback",), [FAILED, LEFT]),
    ],
)
def test_traces_filters(run, store, options, expected):
    """Each filter leaves the calls that it names."""
    assert spans(run("traces", "--json", "--store", store, *options)) == expected


@pytest.mark.parametrize("options", [("--since", "yesterday-ish"), ("--limit", "0"), ("--limit", "many")])
def test_traces_refuses_what_it_cannot_read(run, store, options):
    """A filter that means nothing is a mistake in the command line."""
    assert run("traces", "--store", store, *options).exit_code == 2


def test_traces_without_a_match_says_so_on_stderr(run, store):
    """No match is no error, is said with what was asked for, and stdout stays empty for the program that reads it."""
    result = run("traces", "--store", store, "--session", "nobody")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "None of the 3 calls matches --session nobody\n"
    assert json.loads(run("traces", "--json", "--store", store, "--session", "nobody").stdout) == []


@pytest.mark.parametrize("words", [("traces",), ("show", GOOD), ("feedback", "--pending")])
def test_a_missing_store_says_how_to_make_one(run, words):
    """Where there is no store, the message says how one comes about; nothing is made."""
    result = run(*words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "there is no store at .rlhf-otel/store.db" in result.stderr
    assert "rlhf-otel-instrument python app.py" in result.stderr


def test_a_file_that_is_no_store_is_named(run, tmp_path):
    """A damaged or foreign file is a clear message, not a traceback."""
    (tmp_path / "x.db").write_bytes(b"this is not a database, " * 100)
    result = run("traces", "--store", "x.db")
    assert result.exit_code == 1
    assert "x.db" in result.stderr
    assert run("traces", "--store", ":memory:").exit_code == 1


def test_the_store_of_the_environment_is_read(run, store, monkeypatch):
    """RLHF_OTEL_STORE names the store as --store does."""
    monkeypatch.setenv("RLHF_OTEL_STORE", store)
    assert spans(run("traces", "--json")) == [GOOD, FAILED, LEFT]


def test_show_prints_the_whole_call(run, store):
    """Messages by role, answer, timing, usage, context, feedback and what it replaced."""
    shown = run("show", GOOD, "--store", store).stdout
    for part in ("chat gpt-5-mini", GOOD, "chatcmpl-b7", "first token after 420 ms", "345 tok/s", "12 in, 345 out",
                 "conv-42", "context.app_version 1.2", "train", "user\n  How long", "assistant (answer)\n  Seven",
                 "👎 💬  by u1", "comment: changed my mind", "helpfulness 4/5", "correction: Six minutes.",
                 "Earlier, or taken back\n  👍  by u1"):  # fmt: skip
        assert part in shown, part


def test_show_prints_every_figure_once(run, store):
    """What was asked for, where the time went, how the stream ran, retries, the share of the cache, and the price."""
    figures = {
        "time_to_headers_s": 0.3, "time_to_first_chunk_s": 0.32, "stream_chunks": 9, "stream_max_gap_s": 0.05,
        "input_tokens": 1000, "cached_tokens": 750, "retries": 2, "tools": [{"type": "function", "name": "weather"}],
        "attributes": {"gen_ai.request.temperature": 0.3, "gen_ai.request.reasoning.level": "low",
                       "http.response.header.openai-processing-ms": ["220"], "rlhf.usage.cost": 0.002},
    }  # fmt: skip
    with Store.open(store) as opened:
        opened.add([interaction("a" * 16, 0, **figures)])
    lines = run("show", "a" * 16, "--store", store).stdout.splitlines()
    assert lines[lines.index("asked for      temperature 0.3, reasoning level low") :][:7] == [
        "asked for      temperature 0.3, reasoning level low",
        "tools          weather",
        "timing         total 1.4 s, headers after 300 ms (80 ms of it network), first token after 420 ms",
        "stream         9 chunks within 1.1 s, longest wait 50 ms, 345 tok/s",
        "retries        2",
        "tokens         1,000 in, 750 from cache (75%), 345 out",
        "cost           0.002, as the provider says",
    ]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "RLHF_OTEL_INJECT_USAGE=true asks for you"),
        ({"stream_end": "abandoned"}, "this one was left before"),
        ({"provider": "mistral_ai"}, "tokens not reported user"),
    ],
)
def test_show_says_why_a_stream_has_no_tokens(run, store, fields, said):
    """OpenAI wants to be asked, and nobody reports the usage of a stream that was left."""
    call = interaction("a" * 16, 0, input_tokens=None, output_tokens=None, **fields)
    with Store.open(store) as opened:
        opened.add([call])
    assert said in " ".join(run("show", "a" * 16, "--store", store).stdout.split())


def test_show_keeps_recorded_text_from_driving_the_terminal(run, store):
    """Escape sequences in a prompt or answer are made visible; brackets are text."""
    for words in (("show", GOOD), ("traces",)):
        shown = run(*words, "--store", store).stdout
        assert "\x1b" not in shown
    assert "[bold]not more[/bold]." in run("show", GOOD, "--store", store).stdout


def test_show_keeps_the_indent_of_what_it_wraps(run, store, monkeypatch):
    """A long line of an answer, a row or a comment goes on where it has begun."""
    monkeypatch.setenv("COLUMNS", "60")
    words = " ".join(f"word{number}" for number in range(60))
    call = interaction("a" * 16, 0, output=[text("assistant", words)], session=words, anonymous_user="drawn",
                       input_tokens=None, output_tokens=None, resource={"service.name": "shop"})  # fmt: skip
    with Store.open(store) as opened:
        opened.add([call], [opinion("g", "a" * 16, value=True, comment=words)])
    shown = run("show", "a" * 16, "--store", store).stdout
    lines = shown.splitlines()
    assert {len(line) - len(line.lstrip()) for line in lines if line.lstrip().startswith("word")} == {2, 13, 15}
    assert all(len(line) <= 60 and line == line.rstrip() for line in lines)
    assert "service        shop" in shown
    assert "anonymous user drawn" in shown
    assert "tokens         not reported (OpenAI streams report them with\n" in shown


def test_show_names_what_an_answer_was_compared_with(run, store):
    """The other side of a preference, the order of a ranking, and how good a signal is."""
    given = [
        opinion("p", FAILED, kind="preference", name="preference", chosen=FAILED, rejected=GOOD, margin=2),
        opinion("r", FAILED, kind="ranking", name="ranking", ranking=[LEFT, FAILED]),
        opinion("s", FAILED, kind="signal", name="copy", signal="copy", value=0.8),
    ]
    with Store.open(store) as opened:
        opened.add([], given)
    shown = run("show", FAILED, "--store", store).stdout
    assert f"chosen over {GOOD} (margin 2)" in shown
    assert f"ranked 2 of 2 ({LEFT}, this)" in shown
    assert "copy (score 0.8)" in shown
    assert f"rejected for {FAILED}" in run("show", GOOD, "--store", store).stdout


def test_a_cancelled_call_is_not_called_ok(run, store):
    """A call without a stream that was cancelled says so, as a stream does; its answer that came is ok."""
    plain = {"stream": False, "stream_end": None, "time_to_first_token_s": None}
    gone = interaction("a" * 16, 0, **plain, error_type="CancelledError", output=[], output_tokens=None)
    with Store.open(store) as opened:
        opened.add([gone, interaction("b" * 16, 1, **plain)])
    assert run("show", "a" * 16, "--store", store).stdout.startswith("chat gpt-5-mini  cancelled\n")
    assert run("show", "b" * 16, "--store", store).stdout.startswith("chat gpt-5-mini  ok\n")
    assert "cancelled" in run("traces", "--store", store).stdout


def test_show_prints_tool_calls_and_errors(run, store):
    """A tool call is shown as a call, an error with its message."""
    assert '→ weather({"city": "Paris"})' in run("show", LEFT, "--store", store).stdout
    assert "slow down" in run("show", FAILED, "--store", store).stdout


@pytest.mark.parametrize("word", [GOOD, GOOD.upper(), "chatcmpl-b7", f"00-4bf92f3577b34da6{GOOD}-{GOOD}-01"])
def test_show_takes_the_ids_that_people_have(run, store, word):
    """A span id in any case, a response id or a traceparent names the call."""
    assert json.loads(run("show", word, "--json", "--store", store).stdout)["span_id"] == GOOD


@pytest.mark.parametrize("word", [UNSEEN, "chatcmpl-nobody", f"00-{'1' * 32}-{GOOD}-01"])
def test_show_of_an_unknown_call_says_what_to_do(run, store, word):
    """A well-formed id that is not in the store exits with 1 and points to the list."""
    result = run("show", word, "--store", store)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "`rlhf-otel traces` lists" in result.stderr


@pytest.mark.parametrize("word", ["00f067aa", "4bf92f3577b34da6" * 2, "0" * 16, "hello", "", "00f067aa0ba902bg"])
def test_a_malformed_span_id_says_what_is_expected(run, store, word):
    """An id of the wrong form exits with 2 and says what a span id looks like, in `show` and in `feedback`."""
    for words in (("show", word), ("feedback", word, "up")):
        result = run(*words, "--store", store)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "16 hex digits expected" in result.stderr or (word == "" and "SPAN_ID is missing" in result.stderr)


def test_config_lists_every_setting_with_its_source(run, monkeypatch, tmp_path):
    """Each setting has its value, where that came from, its variable and what it does."""
    monkeypatch.setenv("RLHF_OTEL_SAMPLE_RATE", "0.5")
    (tmp_path / "rlhf-otel.toml").write_text('durability = "sync"\n')
    rows = {row["name"]: row for row in json.loads(run("config", "--json").stdout)}
    assert list(rows) == [setting.name for setting in SETTINGS]
    assert (rows["sample_rate"]["value"], rows["sample_rate"]["source"]) == (0.5, "RLHF_OTEL_SAMPLE_RATE")
    assert (rows["durability"]["value"], rows["durability"]["source"]) == ("sync", "rlhf-otel.toml")
    assert rows["redact"]["source"] == "default"
    lines = run("config").stdout.splitlines()
    assert ["server_hosts", "-", "default"] in [line.split() for line in lines]
    assert [line.split()[0] for line in lines] == list(rows)
    assert "0.5" in lines[list(rows).index("sample_rate")]
    assert len({line.rindex(row["source"]) for line, row in zip(lines, rows.values(), strict=True)}) == 1
    table = run("config", "--verbose").stdout
    assert all(setting.env in table and setting.doc in table for setting in SETTINGS)


@pytest.mark.parametrize("words", [("config",), ("config", "--json"), ("doctor", "--json"), ("doctor",)])
def test_secrets_are_never_printed(run, monkeypatch, words):
    """Of headers only the names are shown, of an endpoint neither user nor password."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hush,x=hush2")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:hush3@127.0.0.1:9/hidden")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "none")
    shown = run(*words).output
    assert "api-key=****" in shown
    assert "hush" not in shown


def test_a_bad_setting_is_a_mistake_in_the_command(run, monkeypatch):
    """A setting that cannot be read is named with its source."""
    from rlhf_otel.cli.main import main

    monkeypatch.setenv("RLHF_OTEL_SAMPLE_RATE", "9")
    assert main(["config"]) == 2
    assert "RLHF_OTEL_SAMPLE_RATE" in run("doctor").stdout
