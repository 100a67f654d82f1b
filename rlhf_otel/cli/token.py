"""`rlhf-otel token`: for feedback on one call, or for people and programs to get into `rlhf-otel serve`."""

from __future__ import annotations

import click

from rlhf_otel.cli import feedback_token, server_token
from rlhf_otel.cli.common import examples


class _WithDefault(click.Group):
    """A group that takes what is none of its commands for the words of `feedback`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts that command in front, unless another one or the group's help is asked for."""
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["feedback", *args]
        return super().parse_args(ctx, args)


@click.group(
    "token",
    cls=_WithDefault,
    epilog=examples(
        "rlhf-otel token 00f067aa0ba902b7                       for feedback on one call",
        "rlhf-otel token create --role ingest --name chat-app   for an application that sends its calls",
        "rlhf-otel token login --role annotator --name ada      a URL by which somebody logs in, once",
    ),
)
def command() -> None:
    """Make tokens: for feedback on one call, or for `rlhf-otel serve`.

    `rlhf-otel token SPAN_ID` is short for `rlhf-otel token feedback SPAN_ID`.
    """


for _each in (feedback_token.command, server_token.create, server_token.login, server_token.lists, server_token.revoke):
    command.add_command(_each)
