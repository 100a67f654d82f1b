"""The command line of `rlhf-otel-instrument`: one flag for every setting, then the command to run.

Written by hand because the launcher stands between a person and their application's first line: an option parser with
its imports would cost more than all the rest of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from rlhf_otel.config import BY_NAME, SETTINGS, Setting, headers_are_wrong

PROGRAM = "rlhf-otel-instrument"

EXAMPLES = f"""\
Examples:
  {PROGRAM} python app.py
  {PROGRAM} python -m my_package --its-own-option
  {PROGRAM} --endpoint http://localhost:4318 --service-name chat gunicorn app:app
  {PROGRAM} --endpoint https://otel.example.com --headers "authorization=Bearer KEY" python app.py
  {PROGRAM} --no-content --sample-rate 0.1 uvicorn app:app --workers 4
  {PROGRAM} --store ./calls.db --env OTEL_RESOURCE_ATTRIBUTES=team=search celery -A jobs worker
"""


OFFERED = tuple(setting for setting in SETTINGS if not setting.name.startswith("server_"))
"""The settings that concern an application, and not `rlhf-otel serve`."""


class UsageError(ValueError):
    """What was typed cannot be run. The message says why."""


@dataclass(frozen=True)
class CommandLine:
    """What was typed: variables to set, the command to run, or what to print instead."""

    command: list[str]
    environ: dict[str, str] = field(default_factory=dict)
    wants: str | None = None


def parse(argv: list[str]) -> CommandLine:
    """Reads options up to the first word that is none; the rest is the command, untouched.

    Raises:
        UsageError: an option is unknown, has no value, or has one that it cannot take.
    """
    environ: dict[str, str] = {}
    rest = list(argv)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "--":
            break
        if word in ("-h", "--help", "--version"):
            return CommandLine([], wants="version" if word == "--version" else "help")
        name, equals, value = word.partition("=")
        variable = _switch(name) if not equals else None
        if variable is None:
            variable = _valued(name, value if equals else _next(name, rest))
        environ.update([variable])
    return CommandLine(rest, environ)


def _switch(name: str) -> tuple[str, str] | None:
    """The variable that an option without a value sets."""
    if name == "--no-content":
        return BY_NAME["capture"].env, "NO_CONTENT"
    setting = _setting(name.replace("--no-", "--", 1))
    if setting is None or not is_switch(setting):
        return None
    return setting.env, "false" if name.startswith("--no-") else "true"


def _valued(name: str, value: str) -> tuple[str, str]:
    """The variable that an option with a value sets."""
    if name == "--env":
        variable, equals, text = value.partition("=")
        if not equals or not variable.strip():
            raise UsageError(f"--env is {value!r}; it takes NAME=VALUE, as in --env OTEL_TRACES_EXPORTER=console")
        return variable.strip(), text
    setting = _setting(name)
    if setting is None:
        raise _unknown(name)
    if is_switch(setting):
        raise UsageError(f"{name} takes no value; the opposite is {flag(setting).rpartition(' ')[2]}")
    if setting.name == "headers" and headers_are_wrong(value):  # not printed: it may be the key itself
        raise UsageError(f"{name} takes {setting.takes}, as in {name} api-key=KEY")
    try:
        setting.parse(value)
    except (ValueError, OverflowError):
        raise UsageError(f"{name} is {value!r}; it takes {setting.takes}") from None
    return setting.env, _fixed(value) if setting.name in ("store", "spool") else value


def _fixed(store: str) -> str:
    """The same store or spool wherever the command changes its directory to (`gunicorn --chdir`)."""
    return store if "://" in store or store == ":memory:" else os.path.abspath(os.path.expanduser(store))  # noqa: PTH100, PTH111


def _next(name: str, rest: list[str]) -> str:
    """The value that follows option `name`."""
    if name != "--env" and _setting(name) is None:
        raise _unknown(name)
    if not rest:
        raise UsageError(f"{name} takes a value: {_takes(name)}")
    return rest.pop(0)


def _unknown(name: str) -> UsageError:
    from difflib import get_close_matches

    known = [f"--{setting.name.replace('_', '-')}" for setting in OFFERED]
    near = get_close_matches(name, [*known, "--no-content", "--env", "--help", "--version"], 1)
    return UsageError(f"there is no option {name}" + (f"; did you mean {near[0]}?" if near else ""))


def _takes(name: str) -> str:
    setting = _setting(name)
    return setting.takes if setting else "NAME=VALUE"


def _setting(name: str) -> Setting | None:
    setting = BY_NAME.get(name.removeprefix("--").replace("-", "_")) if "_" not in name else None
    return setting if setting in OFFERED else None


def is_switch(setting: Setting) -> bool:
    """Whether the setting is on or off, and so a flag without a value."""
    return isinstance(setting.default, bool)


def flag(setting: Setting) -> str:
    """How the setting is spelt on the command line."""
    name = setting.name.replace("_", "-")
    return f"--{name}, --no-{name}" if is_switch(setting) else f"--{name} VALUE"


EVERYDAY = ("endpoint", "headers", "service_name", "store")
"""What most command lines have; with --no-content, what `--help` begins with."""


_INDENT, _NARROWEST, _WIDEST = " " * 6, 40, 120
"""Of the lines that say what an option does, where the terminal is narrower or wider than is good to read."""


def help_text() -> str:
    """What `--help` prints."""
    everyday = [_row(BY_NAME[name]) for name in EVERYDAY]
    everyday.append(("--no-content", "Record calls without prompts and answers."))
    more = [_row(setting) for setting in OFFERED if setting.name not in EVERYDAY]
    more += [
        ("--env NAME=VALUE", "Set any other variable for the command, such as OTEL_TRACES_SAMPLER; may be repeated."),
        ("-h, --help", "Print this."),
        ("--version", "Print the version."),
    ]
    return (
        f"Usage: {PROGRAM} [OPTIONS] COMMAND [ARGS...]\n\n"
        "Runs COMMAND and records every call that it makes to a language model,\nwithout a change to its code.\n"
        "Works with python, python -m, console scripts, gunicorn, uvicorn, celery\nand scripts that start them.\n\n"
        f"{EXAMPLES}\nOptions (each one sets the variable in brackets for COMMAND):\n{_listed(everyday)}\n\n"
        f"More:\n{_listed(more)}\n"
    )


def _row(setting: Setting) -> tuple[str, str]:
    """An option, and what it does, takes and is by default."""
    default = setting.default
    if isinstance(default, bool):
        default = str(default).lower()
    elif isinstance(default, tuple):
        default = ",".join(default)
    by_default = "" if default is None else f"; default {default}"
    return flag(setting), f"{setting.doc} [{setting.env}: {setting.takes}{by_default}]"


def _listed(rows: list[tuple[str, str]]) -> str:
    import shutil
    import textwrap

    width = max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns))
    text = textwrap.TextWrapper(
        width, initial_indent=_INDENT, subsequent_indent=_INDENT, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(f"  {name}\n{text.fill(told)}" for name, told in rows)
