"""The parent's half of the launcher: prepares the environment, says one line, and becomes the command."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

from rlhf_otel.config import BY_NAME, DEFAULT_STORE, Config, ConfigError, endpoint_fault, load
from rlhf_otel.launcher.options import PROGRAM, UsageError, help_text, parse
from rlhf_otel.launcher.stderr import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SITE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "site")  # noqa: PTH100, PTH118, PTH120 - no pathlib yet

ENDPOINT = BY_NAME["endpoint"].env
USAGE, CANNOT_RUN, NOT_FOUND = 2, 126, 127
"""The exit codes of shells for the same mistakes."""


def main(argv: list[str] | None = None) -> int:
    """Runs the command line `argv`; returns only where there is nothing to run or it cannot be run.

    Returns:
        0 after --help and --version, 2 for a mistake in the command line, 126 for a command that cannot be run, 127
        for one that is not found; on Windows, where a process cannot become another, the command's own code.
    """
    try:
        line = parse(sys.argv[1:] if argv is None else argv)
    except UsageError as error:
        return _fail(USAGE, str(error), f"`{PROGRAM} --help` lists the options")
    if line.wants:
        sys.stdout.write(help_text() if line.wants == "help" else _version())
        return 0
    if not line.command:
        return _fail(USAGE, "there is no command to run", f"for example: {PROGRAM} python app.py")
    environ = {**os.environ, **line.environ}
    if line.environ.get(ENDPOINT) and (fault := _endpoint_fault(environ)):
        return _fail(USAGE, fault, "--endpoint takes a URL")
    environ = instrumented(environ) if _are_readable(environ) else environ
    try:
        _check(line.command[0], environ)
        say(announcement(environ, line.command))
        return _become(line.command, environ)
    except FileNotFoundError:
        return _fail(NOT_FOUND, f"command not found: {line.command[0]}", _hint(line.command))
    except OSError as error:
        return _fail(CANNOT_RUN, f"cannot run {line.command[0]}: {error.strerror}", _hint(line.command))


def _endpoint_fault(environ: Mapping[str, str]) -> str:
    """What is wrong with the endpoint; empty where nothing is, or where settings cannot be read at all."""
    try:
        config = load(environ=environ)
    except ConfigError:
        return ""
    return endpoint_fault(without_credentials(config.endpoint or ""), config.protocol)


def _are_readable(environ: Mapping[str, str]) -> bool:
    """Whether the command could read the settings; else it is left alone, and what is wrong is said here, once."""
    try:
        load(environ=environ)
    except ConfigError:
        return False
    return True


def instrumented(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with our folder first on Python's path, so that every Python started with it runs our sitecustomize."""
    others = [part for part in environ.get("PYTHONPATH", "").split(os.pathsep) if part != SITE]
    path = os.pathsep.join([SITE, *others]) if any(others) else SITE
    return {**environ, "PYTHONPATH": path}


def announcement(environ: Mapping[str, str], command: Sequence[str] = ()) -> str:
    """One line that says what is recorded and where it goes, so that nobody's content is kept unawares."""
    if is_isolated(command):
        return f"not recording: {command[0]} runs with -I, -E or -S and so without PYTHONPATH or sitecustomize"
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return "not recording: OTEL_SDK_DISABLED is true"
    try:
        config = load(environ=environ)
    except ConfigError as error:
        return f"not recording: {error}"
    if not config.enabled:
        return f"not recording: enabled is false (from {config.values['enabled'].source})"
    if "*" in environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").replace(" ", "").split(","):
        return "not recording: OTEL_PYTHON_DISABLED_INSTRUMENTATIONS is *"
    fault = _endpoint_fault(environ)
    place = f"{destination(config, environ)}{f' ({fault})' if fault else ''}"
    if config.review_before_submit:
        place += ", where nothing goes before somebody approves it: `rlhf-otel review`"
    if not config.captures_content or "none" in config.capture_parts:
        return f"recording LLM calls without their content {place}"
    return f"recording LLM calls with their content {place} (turn content off: --no-content)"


def is_isolated(command: Sequence[str]) -> bool:
    """Whether `command` is a Python that is told to ignore the way by which we come in."""
    if not command or not os.path.basename(command[0]).startswith("python"):  # noqa: PTH119
        return False
    for word in command[1:]:
        if not word.startswith("-"):
            return False
        for letter in word[1:]:
            if letter in "IES":
                return True
            if letter in "-WXcm":  # what follows is not a letter of ours
                break
        if word.endswith(("c", "m")):
            return False
    return False


def destination(config: Config, environ: Mapping[str, str]) -> str:
    """Where spans go, in words."""
    store = f"into {config.store}" if config.store else ""
    if exporter := environ.get("OTEL_TRACES_EXPORTER", "").strip():
        away = f"to the exporter {exporter!r} of OTEL_TRACES_EXPORTER"
    elif endpoint := environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip() or config.endpoint:
        away = f"to {without_credentials(endpoint)}"
    else:
        return store or f"into {DEFAULT_STORE}"
    return f"{away} and {store}" if store else away


def without_credentials(url: str) -> str:
    """`url` without the user and password that may stand before its host."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}" if separator else url


def _check(word: str, environ: Mapping[str, str]) -> None:
    """Finds what is wrong with the command before anything is said about recording it."""
    folders = [""] if os.path.dirname(word) or os.name == "nt" else os.get_exec_path(environ)  # noqa: PTH120
    places = [place for folder in folders if os.path.exists(place := os.path.join(folder, word))]  # noqa: PTH110, PTH118
    if not places and os.name != "nt":
        raise FileNotFoundError(word)
    if places and not any(os.access(place, os.X_OK) and os.path.isfile(place) for place in places):  # noqa: PTH113
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _become(command: list[str], environ: dict[str, str]) -> int:
    """Takes the place of this process, so that exit code, signals and the process id are the command's own."""
    if os.name != "nt":
        os.execvpe(command[0], command, environ)
    return _run_and_wait(command, environ)


def _run_and_wait(command: list[str], environ: dict[str, str]) -> int:
    import contextlib
    import subprocess

    process = subprocess.Popen(command, env=environ)
    while process.returncode is None:
        # The console sends Ctrl-C to the command as well; its answer is the one that counts.
        with contextlib.suppress(KeyboardInterrupt):
            process.wait()
    return process.returncode


def _hint(command: list[str]) -> str:
    if command[0].endswith(".py"):
        return f"for a Python file: {PROGRAM} python {' '.join(command)}"
    return f"the command is what you would type without {PROGRAM}"


def _version() -> str:
    from rlhf_otel._version import __version__

    return f"{PROGRAM} {__version__}\n"


def _fail(code: int, message: str, hint: str) -> int:
    say(f"{message} ({hint})")
    return code


if __name__ == "__main__":
    sys.exit(main())
