"""The `rlhf-otel` command: a table of subcommands, each imported when it is run and not before."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

from rlhf_otel._version import __version__
from rlhf_otel.config import ConfigError

INTERRUPTED = 130
"""What shells report for a process that Ctrl-C ended."""

# Name -> module, attribute and what `rlhf-otel --help` says of it without importing it.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": ("rlhf_otel.cli.demo.command", "demo", "See the whole thing work, with no key and no network."),
    "traces": ("rlhf_otel.cli.traces", "command", "List recorded calls with their feedback."),
    "show": ("rlhf_otel.cli.show", "command", "Show one call: messages, answer, timing, usage, feedback."),
    "feedback": ("rlhf_otel.cli.feedback", "command", "Attach feedback to a call by its span id."),
    "token": ("rlhf_otel.cli.token", "command", "Make tokens: for feedback on one call, or for `serve`."),
    "serve": (
        "rlhf_otel.cli.serve",
        "command",
        "Receive OTLP over HTTP and gRPC into the store, and show it in a browser.",
    ),
    "push": ("rlhf_otel.cli.push", "command", "Copy feedback into Phoenix or Langfuse, as annotations on their spans."),
    "export": ("rlhf_otel.cli.export", "command", "Make a dataset of calls and what people thought of them."),
    "import": (
        "rlhf_otel.cli.import_",
        "command",
        "Take in exports of Langfuse, LangSmith, Phoenix, Open WebUI, Argilla.",
    ),
    "datasets": ("rlhf_otel.cli.datasets", "command", "Look at datasets: list, show, diff, audit."),
    "stats": ("rlhf_otel.cli.stats", "command", "Count calls: rated, failed, how long they took."),
    "compare": ("rlhf_otel.cli.compare", "command", "Compare variants or models by what people think of them."),
    "store": ("rlhf_otel.cli.store", "command", "See who read, exported, erased, logged in."),
    "purge": ("rlhf_otel.cli.purge", "command", "Erase a person, a conversation, a trace or a call, for good."),
    "subject": ("rlhf_otel.cli.subject", "command", "Write everything that is stored on a person into a folder."),
    "review": ("rlhf_otel.cli.review", "command", "Look at what waits, and approve it before it goes anywhere."),
    "spool": ("rlhf_otel.cli.spool", "command", "See, send or print what no backend has taken yet."),
    "redact": ("rlhf_otel.cli.redact", "command", "See what redaction takes out of a file, and by which rules."),
    "doctor": ("rlhf_otel.cli.doctor", "command", "Find out why something is not recorded or not sent."),
    "config": ("rlhf_otel.cli.config", "command", "Print every setting and where its value comes from."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports the one that is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Says what a mistyped name may have meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from rlhf_otel.cli.common import near

            ctx.fail(f"there is no command {args[0]}{near(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


EPILOG = """\b
Examples:
  rlhf-otel-instrument python app.py       record an application, then:
  rlhf-otel traces                         see what it asked and was answered
  rlhf-otel feedback SPAN_ID up            say what you think of an answer
  rlhf-otel doctor                         find out what is wrong
"""


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rlhf-otel", message="%(prog)s %(version)s")
def cli() -> None:
    """Calls to language models and what people thought of the answers."""


def main(argv: list[str] | None = None) -> int:
    """Runs `rlhf-otel` and returns its exit code: 0 done, 1 not done, 2 asked for wrongly, 130 interrupted."""
    _print_what_the_terminal_can()
    try:
        code: Any = cli.main(args=argv, prog_name="rlhf-otel", standalone_mode=False)
    except click.exceptions.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ConfigError as error:
        click.echo(f"Error: {error}", err=True)
        return 2
    return code if isinstance(code, int) else 0


def _print_what_the_terminal_can() -> None:
    """A mark that the terminal's encoding lacks becomes a question mark instead of a crash."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
