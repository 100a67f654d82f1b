"""The parent's half: what is typed, what is said, and what the command gets."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys

import pytest

from rlhf_otel._version import __version__
from rlhf_otel.launcher.command import SITE, announcement, instrumented, is_isolated, without_credentials
from rlhf_otel.launcher.options import OFFERED, UsageError, help_text, parse

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals and permissions")


def test_exit_code_is_the_commands(launch):
    """The exit code of the application comes through."""
    assert launch.python("raise SystemExit(42)").returncode == 42


def test_stdout_is_the_commands_byte_for_byte(launch):
    """Nothing of ours is on stdout; the one line that we say is on stderr."""
    done = launch.python("import sys; sys.stdout.write('a\\nb')")
    assert done.stdout == "a\nb"
    assert done.stderr.count("rlhf-otel:") == done.stderr.count("\n") == 1
    assert "with their content into .rlhf-otel/store.db" in done.stderr


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_signals_pass_through(launch, number):
    """A signal sent to the launcher reaches the command, and the status is that of the signal."""
    process = launch.start(sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)")
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == -number


@posix
def test_command_keeps_the_process_id(launch):
    """The command takes the launcher's place instead of running below it."""
    process = launch.start(sys.executable, "-c", "import os; print(os.getpid())")
    out, _ = process.communicate(timeout=30)
    assert int(out) == process.pid


def test_module_runs_with_its_arguments(launch):
    """`python -m` works, and options after the command are the command's own."""
    launch.write("app.py", "import sys; print(sys.argv[1:], __name__)")
    done = launch("--sample-rate", "0.5", sys.executable, "-m", "app", "--sample-rate", "x")
    assert done.stdout == "['--sample-rate', 'x'] __main__\n"


@posix
def test_console_script_and_shell_script_run(launch):
    """A script with a Python shebang runs by its path, and so does a shell script that starts Python."""
    script = launch.write("tool", f"#!{sys.executable}\nimport sys; print('rlhf_otel.launcher.child' in sys.modules)\n")
    shell = launch.write("run.sh", f"#!/bin/sh\nexec {script}\n")
    for file in (script, shell):
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        assert launch(str(file)).stdout == "True\n"


@posix
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "there is no command to run (for example: rlhf-otel-instrument python app.py)"),
        (("--nope", "python"), 2, "there is no option --nope"),
        (("--endpont", "http://h", "python"), 2, "there is no option --endpont; did you mean --endpoint?"),
        (("--endpoint", "localhost:4318", "python"), 2, "did you mean http://localhost:4318?"),
        (("--endpoint", "python", "app.py"), 2, "the endpoint python is no URL of the kind http://localhost:4318"),
        (("--headers", "sk-secret", "python"), 2, "--headers takes key=value,key=value"),
        (("--sample-rate", "2", "python"), 2, "--sample-rate is '2'; it takes a share from 0 to 1"),
        (("--durability=glass", "python"), 2, "--durability is 'glass'; it takes memory, disk or sync"),
        (("--redact=no", "python"), 2, "--redact takes no value; the opposite is --no-redact"),
        (("--env", "NOVALUE", "python"), 2, "--env is 'NOVALUE'; it takes NAME=VALUE"),
        (("--endpoint",), 2, "--endpoint takes a value: a URL"),
        (("no-such-command",), 127, "command not found: no-such-command"),
        (("app.py",), 127, "for a Python file: rlhf-otel-instrument python app.py"),
        (("./plain.txt",), 126, "cannot run ./plain.txt: Permission denied"),
    ],
)
def test_mistakes_cost_one_clear_line(launch, words, code, said):
    """What cannot be run is told in one line, with the exit code that shells use for it."""
    launch.write("plain.txt", "")
    done = launch(*words)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert "secret" not in done.stderr


def test_help_shows_examples_and_every_setting():
    """--help has examples to copy and names every setting of an application as a flag, and none of the server."""
    text = help_text()
    assert "rlhf-otel-instrument python app.py" in text
    for setting in OFFERED:
        assert f"--{setting.name.replace('_', '-')}" in text
        assert setting.env in text
    assert "--server-" not in text


def test_help_is_as_wide_as_the_terminal(monkeypatch):
    """What an option does is told in lines of its width; only names that cannot be broken are longer."""
    monkeypatch.setenv("COLUMNS", "60")
    _, _, options = help_text().partition("Options")
    assert [line for line in options.splitlines()[1:] if len(line) > 60 and " " in line.strip()] == []


def test_help_begins_with_what_most_people_need():
    """The everyday options stand first, each once, and defaults are said."""
    everyday, _, more = help_text().partition("More:")
    flags = ("--endpoint VALUE", "--headers VALUE", "--service-name VALUE", "--store VALUE", "--no-content")
    for word in flags:
        assert f"\n  {word}\n" in everyday
        assert f"\n  {word}\n" not in more
    assert "--sample-rate" not in everyday.partition("Options")[2]
    assert "a share from 0 to 1; default 1.0]" in " ".join(more.split())


def test_grpc_may_go_without_a_scheme(launch):
    """gRPC's own way to write an address is taken, wherever the protocol is said."""
    for words in (("--endpoint", "localhost:4317", "--protocol", "grpc"), ("--protocol=grpc", "--endpoint=h:1")):
        assert launch(*words, sys.executable, "-c", "print('here')").stdout == "here\n"


def test_help_and_version_are_data(launch):
    """--help and --version print to stdout and exit 0, before a command is looked for."""
    assert launch("--help").stdout == help_text()
    version = launch("--version")
    assert (version.returncode, version.stdout) == (0, f"rlhf-otel-instrument {__version__}\n")


def test_options_become_variables():
    """Each option sets the variable of its setting; the last one wins; the rest is the command."""
    line = parse(
        ["--endpoint=http://x:4318", "--service-name", "chat", "--no-content", "--no-redact", "--sample-rate", "0.1",
         "--headers", "a=b,c=d", "--env", "OTEL_TRACES_SAMPLER=always_on", "--exit-timeout", "1", "--", "-odd", "--x"]
    )  # fmt: skip
    assert line.command == ["-odd", "--x"]
    assert line.environ == {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4318",
        "OTEL_SERVICE_NAME": "chat",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "NO_CONTENT",
        "RLHF_OTEL_REDACT": "false",
        "RLHF_OTEL_SAMPLE_RATE": "0.1",
        "OTEL_EXPORTER_OTLP_HEADERS": "a=b,c=d",
        "OTEL_TRACES_SAMPLER": "always_on",
        "RLHF_OTEL_EXIT_TIMEOUT": "1",
    }


def test_a_store_given_as_option_stays_where_it_is(tmp_path, monkeypatch):
    """A relative store is fixed to the folder of the launch, whatever folder the command goes to; the rest is kept."""
    monkeypatch.chdir(tmp_path)
    assert parse(["--store", "a.db"]).environ["RLHF_OTEL_STORE"] == str(tmp_path / "a.db")
    assert parse(["--store", ":memory:"]).environ["RLHF_OTEL_STORE"] == ":memory:"


def test_underscored_options_are_refused():
    """There is one spelling of an option."""
    with pytest.raises(UsageError, match="no option --sample_rate"):
        parse(["--sample_rate", "1"])


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "with their content into .rlhf-otel/store.db (turn content off: --no-content)"),
        ({"RLHF_OTEL_STORE": "x.db"}, "into x.db"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://u:secret@host:1/p"}, "to https://host:1/p "),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "h:1"}, "to h:1 (the endpoint h:1 has no scheme; did you mean http://h:1?)"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h", "RLHF_OTEL_STORE": "x.db"}, "to http://h and into x.db"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/v1"}, "to http://t/v1"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "to the exporter 'console'"),
        ({"TRACELOOP_TRACE_CONTENT": "false"}, "without their content"),
        ({"RLHF_OTEL_CAPTURE_PARTS": "none"}, "without their content"),
        (
            {"RLHF_OTEL_REVIEW_BEFORE_SUBMIT": "1"},
            "store.db, where nothing goes before somebody approves it: `rlhf-otel",
        ),
        ({"OTEL_SDK_DISABLED": "True"}, "not recording: OTEL_SDK_DISABLED"),
        ({"RLHF_OTEL_ENABLED": "0"}, "not recording: enabled is false"),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "a, *"}, "not recording: OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"),
        ({"RLHF_OTEL_SAMPLE_RATE": "9"}, "not recording: sample_rate is '9' (from RLHF_OTEL_SAMPLE_RATE)"),
    ],
)
def test_announcement_says_what_is_kept_and_where(tmp_path, monkeypatch, environ, said):
    """The one line says whether content is recorded, where it goes and how to turn it off, without a password."""
    monkeypatch.chdir(tmp_path)
    assert said in announcement(environ)
    assert "secret" not in announcement(environ)


@pytest.mark.parametrize(
    ("command", "isolated"),
    [
        ("python -I app.py", True),
        ("/usr/bin/python3.12 -uE -m app", True),
        ("python -S", True),
        ("python -u -WError app.py -I", False),
        ("python -m app -E", False),
        ("python -c I", False),
        ("gunicorn -E app:app", False),
    ],
)
def test_a_python_that_ignores_us_is_pointed_out(command, isolated):
    """A Python that is told to ignore PYTHONPATH cannot be recorded, and the line says so instead of promising it."""
    assert is_isolated(command.split()) == isolated
    assert ("not recording" in announcement({}, command.split())) == isolated


def test_credentials_are_cut_from_urls_alone():
    """What is no URL with a user part comes back as it was."""
    assert without_credentials("localhost:4317") == "localhost:4317"
    assert without_credentials("http://h/a@b") == "http://h/a@b"


def test_python_path_is_extended_once():
    """Our folder is first, once, and what was there is still there."""
    once = instrumented({"PYTHONPATH": os.pathsep.join(["a", "b"])})
    assert once["PYTHONPATH"].split(os.pathsep) == [SITE, "a", "b"]
    assert instrumented(once) == once
    assert instrumented({})["PYTHONPATH"] == SITE


def test_a_bad_variable_does_not_keep_the_application_from_running(launch):
    """A setting that cannot be read costs a line and the recording, not the application."""
    done = launch.python("print('here')", RLHF_OTEL_SAMPLE_RATE="9")
    assert (done.returncode, done.stdout) == (0, "here\n")
    assert done.stderr.count("sample_rate is '9'") == done.stderr.count("\n") == 1


def test_parent_imports_nothing_heavy():
    """The process that stands before the application's first line loads the settings and little else."""
    code = "import sys, rlhf_otel.launcher.command; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"click", "rich", "argparse", "opentelemetry", "wrapt", "asyncio", "sqlite3", "openai", "anthropic"}
    assert not heavy & set(loaded)
