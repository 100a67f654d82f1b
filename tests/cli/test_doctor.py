"""`rlhf-otel doctor`: what is wrong, and what helps."""

from __future__ import annotations

import json
import os
import socket
import sqlite3

import pytest

from rlhf_otel.cli import checks, probe
from rlhf_otel.store import Store
from rlhf_otel.store.inbox import Inbox
from rlhf_otel.testing import FakeCollector


def examined(result):
    document = json.loads(result.stdout)
    assert document["ok"] == (result.exit_code == 0)
    return {(row["check"], row["status"]): row for row in document["findings"]}, document


def test_a_fresh_set_up_is_fine(run, tmp_path):
    """With nothing set, everything is in order: what is installed, what would be recorded, and where it would go."""
    rows, document = examined(run("doctor", "--json"))
    assert {status for _, status in rows} == {"ok"}
    assert "would be recorded (majors 1 to 3" in rows["openai", "ok"]["detail"]
    assert "would be recorded (majors 0 to 2" in rows["anthropic", "ok"]["detail"]
    assert "is made with the first call" in rows["store", "ok"]["detail"]
    assert document["config"][0]["name"] == "enabled"
    assert list(tmp_path.iterdir()) == []


def test_the_store_is_counted(run, store):
    """An existing store is opened for writing, counted, and pending feedback is pointed out."""
    detail = examined(run("doctor", "--json", "--store", store))[0]["store", "ok"]["detail"]
    assert "3 calls, 5 feedback, 1 waiting" in detail
    assert "feedback --pending" in detail


def test_what_could_not_be_read_in_is_told(run, tmp_path):
    """Batches that were received, and that this version cannot take apart, are no secret."""
    with Store.open(tmp_path / "x.db") as store:
        Inbox(store).put([("traces", b"no request at all")])
        assert list(Inbox(store).read_in()) == [17]
    row = examined(run("doctor", "--json", "--store", "x.db"))[0]["store", "warn"]
    assert row["detail"].startswith("1 batches that were received could not be read in")
    assert "rlhf-otel serve" in row["remedy"]


def test_a_damaged_store_fails_with_a_remedy(run, tmp_path):
    """A file that is no store is a failure that names the file and a way out."""
    (tmp_path / "x.db").write_bytes(b"this is not a database, " * 100)
    result = run("doctor", "--store", "x.db")
    assert result.exit_code == 1
    assert "✗ fail" in result.stdout
    assert "x.db" in result.stdout
    assert "→ move the file away" in result.stdout


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_an_endpoint_gets_a_span_and_a_feedback_event(run, monkeypatch, protocol):
    """The endpoint is tried with one real span and one real feedback event, over the protocol of the settings."""
    with FakeCollector(grpc=True) as collector:
        for name, value in collector.environment(protocol).items():
            monkeypatch.setenv(name, value)
        result = run("doctor")
        assert result.exit_code == 0, result.output
        assert "takes a span" in result.stdout
        assert "takes a feedback event" in result.stdout
        assert [span.name for span in collector.spans] == ["rlhf-otel doctor"]
        (log,) = collector.logs
        assert log.event_name == "gen_ai.evaluation.result"
        assert log.attributes["gen_ai.evaluation.name"] == "doctor"


def test_a_refusing_endpoint_is_named_with_its_reason(run):
    """Where nothing listens, both tries fail with the reason, and the remedy speaks of the collector."""
    result = run("doctor", "--endpoint", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert result.stdout.count("does not take") == 2
    assert "refused" in result.stdout
    assert "start the collector" in result.stdout


@pytest.mark.parametrize(
    ("reason", "helps"),
    [
        ("Failed to export span batch code: 401, reason: Unauthorized", "the key"),
        ("StatusCode.UNAUTHENTICATED", "the key"),
        ("Failed to export span batch code: 404, reason: Not Found", "base URL"),
        ("Failed to export span batch code: 415", "--protocol"),
        ("[Errno -2] Name or service not known", "host name"),
        ("[Errno 111] Connection refused", "start the collector"),
        ("SSL: CERTIFICATE_VERIFY_FAILED", "https"),
        ("something else", "own log"),
    ],
)
def test_each_kind_of_refusal_has_its_remedy(reason, helps):
    """A wrong key, address, protocol, host and a missing collector are told apart."""
    assert helps in probe.remedy(reason)


@pytest.mark.parametrize(
    ("name", "value", "check", "detail"),
    [
        ("OTEL_SDK_DISABLED", "true", "recording", "OTEL_SDK_DISABLED"),
        ("RLHF_OTEL_ENABLED", "false", "recording", "enabled=false"),
        ("RLHF_OTEL_SAMPLE_RATE", "0", "sampling", "only what is rated within 600 s is kept"),
        ("RLHF_OTEL_PROVIDERS", "anthropic", "not recorded", "left out by the settings: openai "),
        ("OTEL_TRACES_EXPORTER", "none", "endpoint", "OTEL_TRACES_EXPORTER=none"),
    ],
)
def test_switches_that_keep_calls_from_being_recorded_are_pointed_out(run, monkeypatch, name, value, check, detail):
    """What is off by a setting is no failure, but a warning with a remedy."""
    monkeypatch.setenv(name, value)
    rows, document = examined(run("doctor", "--json"))
    assert document["ok"]
    assert detail in rows[check, "warn"]["detail"]
    assert rows[check, "warn"]["remedy"]


def test_a_version_that_is_not_supported_is_a_warning(run, monkeypatch):
    """A client library outside of the supported majors is named with what to install."""
    monkeypatch.setattr(checks, "version", lambda package: "99.0" if package == "openai" else "1.0")
    rows, _ = examined(run("doctor", "--json"))
    assert "99.0 is not recorded" in rows["openai", "warn"]["detail"]
    assert "openai<4" in rows["openai", "warn"]["remedy"]


def test_a_library_that_nobody_knows_is_a_warning(run, monkeypatch):
    """A name in RLHF_OTEL_PROVIDERS that means no library is named with the one that it is near to."""
    monkeypatch.setenv("RLHF_OTEL_PROVIDERS", "opena,anthropic,google-genai")
    findings = [row for row in examined(run("doctor", "--json"))[1]["findings"] if "no client library" in row["detail"]]
    assert [row["detail"] for row in findings] == ["providers: no client library is called opena; did you mean openai?"]
    assert "unset RLHF_OTEL_PROVIDERS" in findings[0]["remedy"]


def test_a_check_that_fails_is_a_finding(run, monkeypatch):
    """A fault of the doctor's own is reported like any other, and the other checks are done."""

    def broken(config):
        raise RuntimeError("oops")
        yield

    monkeypatch.setattr(checks, "CHECKS", (broken, checks.recording))
    rows, _ = examined(run("doctor", "--json"))
    assert "oops" in rows["broken", "fail"]["detail"]
    assert ("recording", "ok") in rows


def test_a_store_from_the_future_asks_for_an_upgrade(run, store):
    """The remedy for a store of a newer version is not to move it away."""
    with sqlite3.connect(store) as connection:
        connection.execute("INSERT INTO migration (name) VALUES ('9999_later')")
    result = run("doctor", "--store", store)
    assert result.exit_code == 1
    assert "→ upgrade rlhf-otel" in result.stdout


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="a folder that takes nothing, even from root")  # noqa: PTH112
def test_a_store_that_cannot_be_made_fails(run):
    """What the first call would run into is found before it."""
    result = run("doctor", "--store", "/proc/nope/store.db")
    assert result.exit_code == 1
    assert "/proc/nope/store.db cannot be made: /proc takes nothing" in result.stdout


def test_a_bad_setting_does_not_stop_the_other_checks(run, monkeypatch, tmp_path):
    """Each bad setting is a failure with its remedy, and everything else is looked at."""
    monkeypatch.setenv("RLHF_OTEL_SAMPLE_RATE", "9")
    (tmp_path / "rlhf-otel.toml").write_text('durability = "glass"\nsotre = "x"\n')
    result = run("doctor")
    assert result.exit_code == 1
    for part in ("sample_rate is '9'", "→ fix or unset RLHF_OTEL_SAMPLE_RATE", "durability is 'glass'",
                 "did you mean 'store'", "→ put it right in rlhf-otel.toml", "openai",
                 "is made with the first call"):  # fmt: skip
        assert part in result.stdout, part


def test_a_rule_of_redaction_that_there_is_not_is_pointed_out(run, monkeypatch):
    """A slip in the name of a rule leaves secrets in: it is a warning, and names the right one."""
    monkeypatch.setenv("RLHF_OTEL_REDACT_RULES", "secrts,email")
    said = " ".join(run("doctor").stdout.split())
    assert "redact_rules names 'secrts', which is no rule and no group; did you mean secrets?" in said
    assert "`rlhf-otel redact --list` shows all; put it right in RLHF_OTEL_REDACT_RULES" in said
    assert "'email', which" not in said


def test_a_variable_that_means_nothing_is_pointed_out(run, monkeypatch):
    """A slip in the name of a variable of ours is a warning that names the right one."""
    monkeypatch.setenv("RLHF_OTEL_SAMPEL_RATE", "0.1")
    result = run("doctor")
    assert result.exit_code == 0
    assert "RLHF_OTEL_SAMPEL_RATE means nothing; did you mean RLHF_OTEL_SAMPLE_RATE?" in result.stdout


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"])
def test_a_header_without_a_name_fails_and_stays_secret(run, monkeypatch, name):
    """A key that was given alone is no header; it is not sent, and not printed by anybody."""
    monkeypatch.setenv(name, "sk-hush")
    result = run("doctor", "--endpoint", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert f"{name} has a part that is no key=value" in result.stdout
    assert "hush" not in result.output


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("localhost:4318", "did you mean http://localhost:4318?"),
        ("python", "no URL of the kind http://localhost:4318"),
        ("ftp://h", "no URL of the kind http://localhost:4318"),
    ],
)
def test_an_endpoint_without_a_scheme_is_not_tried(run, endpoint, said):
    """What HTTP cannot be spoken to fails with what may have been meant."""
    result = run("doctor", "--endpoint", endpoint)
    assert result.exit_code == 1
    assert result.stdout.count(said) == 2


def test_the_other_protocol_is_suggested(run, monkeypatch):
    """A receiver of http/protobuf that is spoken to in grpc, and the other way round, is recognised."""
    with FakeCollector(grpc=True) as collector:
        grpc_url = collector.environment("grpc")["OTEL_EXPORTER_OTLP_ENDPOINT"]
        assert "--protocol grpc" in run("doctor", "--endpoint", grpc_url).stdout
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        assert (
            "it may speak http/protobuf: --protocol http/protobuf"
            in run("doctor", "--endpoint", collector.http_url).stdout
        )


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_silent_endpoint_does_not_keep_anybody_waiting(run, monkeypatch, protocol):
    """Where connections are taken and never answered, both tries end together and soon."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        result = run("doctor", "--endpoint", f"http://127.0.0.1:{deaf.getsockname()[1]}")
    assert result.stdout.count("does not take") == 2
    assert "nothing answers there" in result.stdout
