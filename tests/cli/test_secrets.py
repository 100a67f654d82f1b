"""No secret is told: not by a command, not in a fault, not at the most talkative level."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from rlhf_otel.cli.main import cli
from rlhf_otel.config import SETTINGS
from rlhf_otel.testing import FakeLLM

SECRET = "canary7141canary7141"
ENVIRON = {
    "RLHF_OTEL_SERVER_TOKEN": SECRET, "RLHF_OTEL_TOKEN_KEY": SECRET, "RLHF_OTEL_REDACT_KEY": SECRET,
    "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {SECRET},x-key={SECRET}",
    "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://user:{SECRET}@127.0.0.1:9", "RLHF_OTEL_LOG_LEVEL": "debug",
    "OPENAI_API_KEY": SECRET, "ANTHROPIC_API_KEY": SECRET,
}  # fmt: skip
APP = """
import openai
openai.OpenAI(max_retries=0).chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
"""


def test_every_setting_that_is_a_secret_is_known_as_one() -> None:
    """A setting that takes a secret is masked wherever settings are shown."""
    from rlhf_otel.cli.common import SECRET_SETTINGS

    assert {setting.name for setting in SETTINGS if "a secret" in setting.takes} == set(SECRET_SETTINGS)


@pytest.mark.parametrize(
    "words",
    [["config"], ["config", "--json"], ["config", "-v"], ["doctor"], ["doctor", "--json"],
     ["doctor", "--endpoint", f"http://user:{SECRET}@127.0.0.1:9"], ["token", "--show", SECRET],
     ["token", "--verify", f"rlt_{SECRET}"], ["token", "list"], ["store", "audit"], ["traces"]],
    ids=" ".join,
)  # fmt: skip
def test_no_command_tells_a_secret(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it succeeds or not."""
    monkeypatch.chdir(tmp_path)
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(cli, words)
    assert SECRET not in result.output
    assert SECRET not in str(result.exception)


@pytest.mark.skipif(os.name != "posix", reason="file modes are those of POSIX")
def test_what_is_written_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Store, spool and keys: every file 0600, every folder 0700; and no key of a provider is in any of them."""
    (tmp_path / "app.py").write_text(APP)
    quiet = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "RLHF_OTEL_"))}
    own = {**quiet, **ENVIRON, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "RLHF_OTEL_STORE": "data/store.db"}
    own = {name: value for name, value in own.items() if name != "RLHF_OTEL_TOKEN_KEY"}
    own["RLHF_OTEL_EXIT_TIMEOUT"] = "0.5"
    with FakeLLM() as llm:
        own["OPENAI_BASE_URL"] = llm.openai_url
        line = [sys.executable, "-m", "rlhf_otel.launcher.command", sys.executable, "app.py"]
        ended = subprocess.run(line, cwd=tmp_path, env=own, capture_output=True, text=True, check=True)
    new_key = [sys.executable, "-m", "rlhf_otel.cli.main", "token", "--new-key"]
    subprocess.run(new_key, cwd=tmp_path, env=own, check=True, capture_output=True)
    assert SECRET not in ended.stdout + ended.stderr
    made = [path for path in tmp_path.rglob("*") if path.name != "app.py"]
    modes = {str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode) for path in made}
    assert {"data", "data/store.db", "data/token.key"} <= modes.keys()
    assert any("spool" in name for name in modes)
    assert {name for name, mode in modes.items() if mode != (0o700 if (tmp_path / name).is_dir() else 0o600)} == set()
    assert not [path for path in made if path.is_file() and SECRET.encode() in path.read_bytes()]
