"""Settings: one table, four sources, and errors that say what to do."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from rlhf_otel import config, setting_values
from rlhf_otel.config import SETTINGS, ConfigError

# Setting -> (text in the environment, its value, another value in the file, that as it is effective, bad values)
CASES = {
    "enabled": ("no", False, True, True, ["maybe", "2"]),
    "endpoint": ("http://a:4318", "http://a:4318", "http://b", "http://b", []),
    "protocol": ("GRPC", "grpc", "http/protobuf", "http/protobuf", ["http/json", "carrier pigeon"]),
    "headers": ("a=b,c=d", "a=b,c=d", {"a": "b c"}, "a=b%20c", []),
    "service_name": ("shop", "shop", "other", "other", []),
    "capture": ("no_content", "NO_CONTENT", "EVENT_ONLY", "EVENT_ONLY", ["SPANS", "perhaps"]),
    "store": ("x.db", "x.db", ":memory:", ":memory:", []),
    "durability": ("SYNC", "sync", "memory", "memory", ["eternal"]),
    "spool": ("x", "x", "y", "y", []),
    "spool_bytes": ("1000", 1000, 20, 20, ["0", "-1", "many"]),
    "sample_rate": ("0.25", 0.25, 0.5, 0.5, ["1.1", "-0.1", "nan", "half"]),
    "hold_age": ("10m", 600.0, 0, 0.0, ["-1", "soon"]),
    "hold_bytes": ("1000", 1000, 20, 20, ["0", "much"]),
    "hold_for": ("human, signal", ("human", "signal"), ["program"], ("program",), ["everybody"]),
    "review_before_submit": ("on", True, False, False, ["some"]),
    "review_age": ("12h", 43_200.0, "1d", 86_400.0, ["soon"]),
    "review_bytes": ("1000", 1000, 20, 20, ["0", "much"]),
    "feedback_as": ("event, foundry", ("event", "foundry"), ["event"], ("event",), ["pigeon"]),
    "server_session": ("12h", 43_200.0, "1d", 86_400.0, ["soon"]),
    "server_rate": ("10", 10, 20, 20, ["0", "much"]),
    "server_tls_cert": ("a.pem", "a.pem", "b.pem", "b.pem", []),
    "server_tls_key": ("a.pem", "a.pem", "b.pem", "b.pem", []),
    "server_feedback_per_token": ("0", 0, 20, 20, ["-1", "much"]),
    "server_feedback_per_address": ("0", 0, 20, 20, ["-1", "much"]),
    "redact": ("off", False, True, True, ["strict"]),
    "capture_parts": ("all, -reasoning", ("all", "-reasoning"), ["none"], ("none",), ["everything", "-it"]),
    "capture_providers": ("openai, groq", ("openai", "groq"), ["-openai"], ("-openai",), []),
    "redact_rules": ("all, -phone", ("all", "-phone"), ["secrets"], ("secrets",), []),
    "redact_file": ("rules.toml", "rules.toml", "x.toml", "x.toml", []),
    "redact_hash": ("on", True, False, False, ["sha256"]),
    "redact_key": ("secret", "secret", "other", "other", []),
    "providers": ("openai, anthropic", ("openai", "anthropic"), ["openai"], ("openai",), []),
    "provider_names": (
        "GPU:8000=vllm, *.x = y",
        {"gpu:8000": "vllm", "*.x": "y"},
        {"gpu": "vllm"},
        {"gpu": "vllm"},
        ["gpu", "=x"],
    ),
    "inject_usage": ("on", True, False, False, ["sometimes"]),
    "metric_names": ("NEXT", "next", "current", "current", ["old"]),
    "feedback_labels": ("a, b,", ("a", "b"), ["c"], ("c",), []),
    "capture_interactions": ("off", False, True, True, ["some"]),
    "capture_feedback": ("off", False, True, True, ["some"]),
    "capture_metrics": ("off", False, True, True, ["some"]),
    "capture_errors": ("off", False, True, True, ["some"]),
    "collect_context": ("off", False, True, True, ["some"]),
    "unset_consent": ("TRAIN", "train", "eval", "eval", ["perhaps"]),
    "environment": ("staging", "staging", "production", "production", []),
    "app_version": ("1.2", "1.2", "2.0", "2.0", []),
    "signals": ("off", False, True, True, ["some"]),
    "detect_signals": ("no", False, True, True, ["some"]),
    "signal_scores": (
        "copy=0.5, Dwell=none",
        {"copy": 0.5, "dwell": None},
        {"edit": "0.1"},
        {"edit": 0.1},
        ["copy", "copy=2", "yawn=0.5"],
    ),
    "ask_every": ("9", 9, 0, 0, ["-1", "often"]),
    "token_key": ("a, b", "a, b", ["c", "d"], "c,d", []),
    "exit_timeout": ("1.5", 1.5, 2, 2.0, ["0", "-1", "inf", "nan", "soon"]),
    "max_attribute_bytes": ("1000", 1000, 20, 20, ["-1", "1.5", "much"]),
    "log_level": ("DEBUG", "debug", "info", "info", ["loud"]),
    "queue_size": ("10", 10, 20, 20, ["0", "-1", "2.5", "many"]),
    "batch_size": ("10", 10, 20, 20, ["0", "x"]),
    "queue_bytes": ("1000", 1000, 20, 20, ["0", "-1", "many"]),
    "max_export_bytes": ("1000", 1000, 20, 20, ["0", "-1", "many"]),
    "batch_delay_ms": ("100", 100.0, 20, 20.0, ["0", "-5", "x"]),
    "feedback_queue_size": ("10", 10, 20, 20, ["0", "x"]),
    "feedback_batch_size": ("10", 10, 20, 20, ["0", "x"]),
    "feedback_batch_delay_ms": ("100", 100.0, 20, 20.0, ["0", "x"]),
    "retention_age": ("30d", 2_592_000.0, "12h", 43_200.0, ["soon", "0", "-1"]),
    "retention_bytes": ("1000", 1000, 20, 20, ["0", "-1", "many"]),
    "server_token": ("secret", "secret", "other", "other", []),
    "server_hosts": ("a, b,", ("a", "b"), ["c"], ("c",), []),
    "server_max_bytes": ("1000", 1000, 20, 20, ["0", "-1", "many"]),
    "server_waiting_bytes": ("1000", 1000, 20, 20, ["0", "-1", "many"]),
    "server_inbox_bytes": ("1000", 1000, 20, 20, ["0", "-1", "many"]),
    "server_patience": ("1.5", 1.5, 2, 2.0, ["0", "-1", "inf", "soon"]),
}
BAD = [(name, bad) for name, case in CASES.items() for bad in case[4]]


def toml(value) -> str:
    """`value` as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f'{key} = "{item}"' for key, item in value.items()) + "}"
    return repr(value).replace("'", '"')


def test_every_setting_is_covered_here():
    """The table above has each setting, so that a new one is tested."""
    assert set(CASES) == {setting.name for setting in SETTINGS}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_sources_in_their_order(setting):
    """The default, then the file over it, then the environment, then the argument; each says where it came from."""
    text, value, in_file, from_file, _ = CASES[setting.name]
    found = config.load(environ={}).values[setting.name]
    assert (found.value, found.source) == (setting.default, "default")
    Path("rlhf-otel.toml").write_text(f"{setting.name} = {toml(in_file)}\n")
    found = config.load(environ={}).values[setting.name]
    assert (found.value, found.source) == (from_file, "rlhf-otel.toml")
    found = config.load(environ={setting.env: text}).values[setting.name]
    assert (found.value, found.source) == (value, setting.env)
    loaded = config.load({setting.name: in_file}, environ={setting.env: text})
    assert (getattr(loaded, setting.name), loaded.values[setting.name].source) == (from_file, "argument")
    assert loaded.is_set(setting.name)
    assert setting.doc.endswith(".")


@pytest.mark.parametrize(("name", "bad"), BAD)
@pytest.mark.parametrize("where", ["argument", "environment", "file"])
def test_bad_values(name, bad, where):
    """The error names the setting, the value, where it came from and what it takes."""
    setting = config.BY_NAME[name]
    arguments, environ, source = {}, {}, "argument"
    if where == "argument":
        arguments = {name: bad}
    elif where == "environment":
        environ, source = {setting.env: bad}, setting.env
    else:
        Path("rlhf-otel.toml").write_text(f'{name} = "{bad}"\n')
        source = "rlhf-otel.toml"
    with pytest.raises(ConfigError) as raised:
        config.load(arguments, environ)
    assert str(raised.value) == f"{name} is {bad!r} (from {source}); it takes {setting.takes}"


def test_empty_variables_and_missing_arguments_say_nothing():
    """An empty variable is as good as none, and None as an argument is no argument."""
    loaded = config.load({"capture": None}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "", "RLHF_OTEL_SAMPLE_RATE": ""})
    assert (loaded.endpoint, loaded.sample_rate, loaded.capture) == (None, 1.0, "SPAN_ONLY")


@pytest.mark.parametrize(
    ("given", "mode"),
    [(case(mode), mode) for mode in setting_values.CAPTURE_MODES for case in (str.lower, str.upper, str.title)]
    + [(" span_only ", "SPAN_ONLY"), ("true", "SPAN_ONLY"), ("false", "NO_CONTENT"), (True, "SPAN_ONLY"),
       (False, "NO_CONTENT"), ("0", "NO_CONTENT"), ("yes", "SPAN_ONLY")],
)  # fmt: skip
def test_capture_modes(given, mode):
    """The conventions' modes in any case, and the yes and no of older instrumentations."""
    loaded = config.load({"capture": given}, {})
    assert loaded.capture == mode
    assert loaded.captures_content is (mode != "NO_CONTENT")


@pytest.mark.parametrize(
    ("name", "off"),
    [
        ("TRACELOOP_TRACE_CONTENT", "false"),
        ("OPENINFERENCE_HIDE_INPUTS", "true"),
        ("OPENINFERENCE_HIDE_OUTPUTS", "TRUE"),
    ],
)
def test_off_switches_of_other_instrumentations(name, off):
    """One of them is enough to capture no content, unless our own setting says something."""
    found = config.load(environ={name: off}).values["capture"]
    assert (found.value, found.source) == ("NO_CONTENT", name)
    assert config.load({"capture": "SPAN_ONLY"}, {name: off}).capture == "SPAN_ONLY"
    assert config.load(environ={name: "something else"}).capture == "SPAN_ONLY"


def test_an_unknown_argument_is_named_with_its_likeness():
    """A slip of the finger is told what was probably meant."""
    with pytest.raises(
        ConfigError, match=r"no setting 'sample_rat' \(from an argument\), did you mean 'sample_rate'\?"
    ):
        config.load({"sample_rat": 1}, {})


def test_an_unknown_setting_in_a_file_names_the_file():
    """The error says which file, and where to find all names."""
    Path("rlhf-otel.toml").write_text("colour = 'blue'\n")
    with pytest.raises(ConfigError, match=r"'colour' \(from rlhf-otel.toml\); `rlhf-otel config` lists all"):
        config.load(environ={})


def test_pyproject_is_read():
    """`[tool.rlhf-otel]` counts where there is no file of our own; a pyproject without it is none of our business."""
    Path("pyproject.toml").write_text('[project]\nname = "x"\n')
    assert config.load(environ={}).values["store"].source == "default"
    Path("pyproject.toml").write_text('[tool.rlhf-otel]\nstore = "p.db"\n')
    found = config.load(environ={}).values["store"]
    assert (found.value, found.source) == ("p.db", "pyproject.toml")
    Path("rlhf-otel.toml").write_text('store = "r.db"\n')
    assert config.load(environ={}).store == "r.db"


def test_a_broken_file_is_named():
    """What is no TOML is an error with the file's name and the place; one that cannot be read is as good as none."""
    Path("rlhf-otel.toml").write_text("store = \n")
    with pytest.raises(ConfigError, match=r"rlhf-otel.toml is not valid TOML: .*line 1"):
        config.load(environ={})
    Path("rlhf-otel.toml").write_bytes(b"\xff\xfe\x00")
    assert config.load(environ={}).store is None
    Path("rlhf-otel.toml").unlink()
    Path("pyproject.toml").write_text("[tool.rlhf-otel]\nx = = 1\n")
    with pytest.raises(ConfigError, match=r"pyproject.toml is not valid TOML"):
        config.load(environ={})


def test_headers_as_a_mapping_survive_any_character():
    """Commas, equals signs and blanks in a key of a backend are kept apart from the list's own."""
    assert config.load({"headers": {"a": "b,c=d e", "f": 1}}, {}).headers == "a=b%2Cc%3Dd%20e,f=1"


def test_a_config_can_be_copied():
    """It is a value like any other; what it does not have is an AttributeError."""
    loaded = config.load({"store": "x"}, {})
    for made in (copy.copy(loaded), copy.deepcopy(loaded), pickle.loads(pickle.dumps(loaded))):
        assert made.store == "x"
    with pytest.raises(AttributeError, match="colour"):
        loaded.colour  # noqa: B018 - the look-up is what is tested
