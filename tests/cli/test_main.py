"""The command as a whole: lazy, documented, and polite to pipes and to Ctrl-C."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import click
import pytest
from rich.console import Console
from rich.text import Text

from rlhf_otel._version import __version__
from rlhf_otel.cli import main as module
from rlhf_otel.cli.common import hanging
from rlhf_otel.cli.main import COMMANDS, cli

RLHF_OTEL = (sys.executable, "-m", "rlhf_otel.cli.main")


def words(*more):
    return subprocess.run([*RLHF_OTEL, *more], capture_output=True, text=True, check=False)


BELOW = tuple(
    f"{name} {each}" for name in ("datasets", "spool") for each in module.cli.get_command(None, name).commands
)


@pytest.mark.parametrize("name", (*COMMANDS, *BELOW))
def test_every_command_has_examples(run, name):
    """The help of each command, and of each below it, has examples to copy, and says what the command does."""
    result = run(*name.split(), "--help")
    assert result.exit_code == 0
    assert f"rlhf-otel {name}" in result.stdout.partition("Example")[2]


def test_the_help_lists_commands_without_importing_them():
    """Help and version load no command and none of their libraries."""
    code = (
        "import sys\nfrom rlhf_otel.cli.main import main\nmain(['--help'])\n"
        "print([m for m in sys.modules if m.startswith(('rich', 'opentelemetry', 'sqlite3', 'rlhf_otel.cli.'))])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.endswith("['rlhf_otel.cli.main']\n")
    assert all(name in out for name in COMMANDS)
    assert "rlhf-otel-instrument python app.py" in out


def test_version():
    """--version prints name and version to stdout."""
    assert words("--version").stdout == f"rlhf-otel {__version__}\n"


def test_unknown_commands_and_options_are_mistakes():
    """What does not exist exits with 2 and says so on stderr."""
    for more in (("nope",), ("traces", "--nope")):
        done = words(*more)
        assert (done.returncode, done.stdout) == (2, "")
        assert "nope" in done.stderr
    assert "there is no command trace; did you mean traces?" in words("trace").stderr


def test_exit_codes_reach_the_shell(tmp_path):
    """What a command reports is the exit code of the process."""
    done = subprocess.run([*RLHF_OTEL, "traces"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""


def test_ctrl_c_ends_with_130_and_without_a_traceback(monkeypatch, capsys):
    """An interrupted command says nothing of its insides."""

    @click.command()
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "get_command", lambda ctx, name: interrupted)
    assert module.main(["traces"]) == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="a POSIX shell")
def test_a_closed_pipe_is_no_error(store):
    """`| head` ends the output without a traceback."""
    line = f"{sys.executable} -m rlhf_otel.cli.main traces --json --store {store} | head -1"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert done.stdout == "[\n"
    assert done.stderr == ""


def test_marks_survive_a_poor_encoding(store):
    """A terminal without emoji gets question marks instead of a crash."""
    environ = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([*RLHF_OTEL, "traces", "--store", store], env=environ, capture_output=True, check=False)
    assert done.returncode == 0
    assert b"4/5" in done.stdout


def test_colour_is_only_for_terminals(store):
    """Nothing but text goes into a pipe."""
    environ = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    done = subprocess.run(
        [*RLHF_OTEL, "show", "00f067aa0ba902b7", "--store", store], env=environ, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout


@pytest.mark.parametrize(("terminal", "lines"), [(True, ["Gate  one two three four", "      five"]), (False, None)])
def test_long_words_hang_below_each_other_on_a_terminal(terminal, lines):
    """In a pipe they stay one line, which a program can look for."""
    out = Console(file=io.StringIO(), force_terminal=terminal, width=26)
    made = [line.plain for line in hanging(out, Text("Gate  "), "one two three four five")]
    assert made == (lines or ["Gate  one two three four five"])


def test_the_demo_says_how_to_find_the_commands(tmp_path, monkeypatch, capsys):
    """Where the commands that it shows are not on the PATH, it says first how to get them there."""
    from rlhf_otel.cli.demo import command

    activate = tmp_path / ".venv" / "bin" / "activate"
    activate.parent.mkdir(parents=True)
    activate.touch()
    monkeypatch.setattr(sys, "executable", str(activate.with_name("python")))
    monkeypatch.setattr(command.shutil, "which", lambda name: None)
    command.show_what_next()
    assert "$ source .venv/bin/activate " in capsys.readouterr().out
    activate.unlink()
    command.show_what_next()
    assert f"export PATH={activate.parent}:" in capsys.readouterr().out
    monkeypatch.setattr(command.shutil, "which", lambda name: f"/usr/bin/{name}")
    command.show_what_next()
    assert "PATH" not in capsys.readouterr().out


def test_the_demo_shows_what_its_data_looks_like(run):
    """--help has lines to copy, each one that the demo reads."""
    from rlhf_otel.cli.demo.conversations import _conversation

    lines = [line.strip() for line in run("demo", "--help").stdout.splitlines() if line.strip().startswith("{")]
    assert [len(_conversation(json.loads(line)).answers) for line in lines] == [1, 2, 2]
