"""The configuration as it stands in the file, and what the collector says of it."""

from __future__ import annotations

import importlib.util
import re
import subprocess

import pytest

from tests.collector.running import BINARY, CONFIG, ROOT, Collector, free_ports

TEXT = CONFIG.read_text(encoding="utf-8")
MANIFEST = (ROOT / "collector" / "builder.yaml").read_text(encoding="utf-8")
VARIABLES = dict(re.findall(r"\$\{env:(\w+)(?::-((?:\[[^]]*\]|[^}])*))?\}", TEXT))


def script():
    """The module `collector/redaction.py`."""
    spec = importlib.util.spec_from_file_location("redaction", ROOT / "collector" / "redaction.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def validate(config=CONFIG, **variables):
    """What `validate` says with no variable set but these; its exit status and its words."""
    done = subprocess.run(
        [BINARY, "validate", "--config", config], env={"PATH": "", **variables}, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_the_redaction_rules_are_those_of_the_package():
    """A rule that was changed is in the configuration too: `python collector/redaction.py` puts it there."""
    assert script().up_to_date(TEXT) == TEXT


def test_a_rule_that_cannot_be_translated_is_not_left_out(monkeypatch):
    """Python patterns may look around themselves; what RE2 has no words for is an error, never silence."""
    module = script()
    rule = module.Rule("new", re.compile(r"key(?=\d)"), ("key",))
    with pytest.raises(ValueError, match="look around as the rule 'new'"):
        module.translate(rule)


def test_every_variable_has_a_default_and_is_documented():
    """A start with nothing set works, and a page says what can be set."""
    page = (ROOT / "docs" / "collector.md").read_text(encoding="utf-8")
    assert re.findall(r"\$\{env:\w+\}", TEXT) == []
    documented = dict(re.findall(r"^\| `([A-Z_]+)` \| (?:`([^`]*)`)?", page, flags=re.MULTILINE))
    assert documented == VARIABLES


def test_nothing_samples_logs():
    """Feedback is never dropped: no processor of any pipeline samples."""
    assert re.findall(r"^ +processors: \[.*sampl.*\]", TEXT, flags=re.MULTILINE) == []
    assert "sampl" not in MANIFEST


def test_names_and_ways_of_the_past_are_not_used():
    """No `batch` processor, which later releases have not, and none of the names that only old releases know."""
    names = {name.split("/")[0] for name in re.findall(r"^  ([a-z_]+(?:/\w+)?):", TEXT, flags=re.MULTILINE)}
    assert names & {"batch", "otlphttp", "otlp_grpc", "signaltometrics", "spanmetrics", "count", "logging"} == set()


def test_all_modules_of_the_collector_are_of_one_release():
    """Modules of two releases do not build together, or worse, do."""
    version = re.search(r"^  version: (\S+)", MANIFEST, flags=re.MULTILINE)[1]
    modules = re.findall(r"gomod: \S+ v(\S+)", MANIFEST)
    assert {each for each in modules if each.startswith("0.")} == {version}
    assert len({each for each in modules if not each.startswith("0.")}) == 1


@pytest.mark.real_collector
def test_the_collector_takes_the_configuration_with_nothing_set():
    """`validate` finds no fault and warns of nothing that is to go."""
    status, words = validate()
    assert (status, [line for line in words.splitlines() if "deprecat" in line.lower()]) == (0, []), words


@pytest.mark.real_collector
def test_validate_finds_what_is_wrong(tmp_path):
    """The check above can fail: a setting that does not exist is told by its name."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(TEXT.replace("spike_limit_mib:", "spike_limit_mb:"))
    status, words = validate(wrong)
    assert status != 0
    assert "spike_limit_mb" in words


@pytest.mark.real_collector
@pytest.mark.parametrize(
    "exporters", ["[otlp_http/serve]", "[clickhouse]", "[file/archive]", "[otlp_http/serve, file/archive]"]
)
def test_any_of_the_exporters_may_be_left_out(exporters):
    """One variable says where data goes."""
    assert validate(COLLECTOR_EXPORTERS=exporters)[0] == 0


@pytest.mark.real_collector
def test_it_starts_with_all_backends_down_and_stops_when_told_to(tmp_path):
    """No ClickHouse, no OTLP backend: it starts, is healthy, takes data, and ends in good order."""
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}"
    collector = Collector(tmp_path, nobody).start()
    try:
        assert collector.post("/v1/traces", b"")[0] == 200
    finally:
        status = collector.stop()
    assert status == 0, collector.log.read_text()
    assert "deprecat" not in collector.log.read_text().lower()
