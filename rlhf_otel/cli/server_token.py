"""`rlhf-otel token create | login | list | revoke`: who may come in to `rlhf-otel serve`, and as what."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from rlhf_otel.cli.common import (
    Problem,
    examples,
    json_option,
    print_json,
    print_table,
    printable,
    reading,
    store_option,
    writing,
)
from rlhf_otel.cli.marks import full_moment
from rlhf_otel.cli.who import operator

if TYPE_CHECKING:
    from rlhf_otel.store import Store
    from rlhf_otel.store.ledger import Credential

ROLES = ("admin", "annotator", "reader", "ingest")
"""As in `rlhf_otel.server.access`: admin may do all, ingest sends, annotator reads and votes, reader reads."""
_CLOSED = ("from now on `rlhf-otel serve` takes calls of nobody without a token; applications send it with "
           "OTEL_EXPORTER_OTLP_HEADERS='authorization=Bearer TOKEN'")  # fmt: skip
role_option = click.option("--role", type=click.Choice(ROLES), required=True, help="What it permits.")
ttl_option = click.option("--ttl", metavar="TIME", help="How long it holds: 90d, 12h. [until it is revoked]")


@click.command(
    "create",
    epilog=examples(
        "rlhf-otel token create --role ingest --name chat-app",
        "rlhf-otel token create --role reader --ttl 90d --json",
    ),
)
@role_option
@click.option("--name", metavar="NAME", help="Whose it is, for the list and the audit log. [the role and a number]")
@ttl_option
@json_option
@store_option
def create(role: str, name: str | None, ttl: str | None, as_json: bool, store: str | None) -> None:
    """Make a token for `rlhf-otel serve`. It is shown now and never again: the store has its hash alone.

    The first one of the role ingest closes the door for applications that send without a token.
    """
    from rlhf_otel.server.access.credentials import issue
    from rlhf_otel.server.access.principals import Principal

    lasting_s = _seconds(ttl)
    with writing(store) as opened:
        principal = Principal(name or _free_name(opened, role), role)
        is_first = role == "ingest" and not any(one.role == role for one in opened.credentials())
        opened.audit("token", {"created": principal.name, "role": role, "ttl_s": lasting_s}, who=operator())
        made = issue(opened, "token", principal, lasting_s)
    if as_json:
        print_json({"name": principal.name, "role": role, "token": made})
    else:
        click.echo(made)
    if is_first:
        click.echo(_CLOSED, err=True)


@click.command("login", epilog=examples("rlhf-otel token login --role annotator --name ada"))
@click.option("--role", type=click.Choice(ROLES[:3]), default="admin", show_default=True, help="What it permits.")
@click.option("--name", metavar="NAME", help="Who logs in, for the audit log. [the role]")
@click.option("--url", metavar="URL", default="http://127.0.0.1:4318", show_default=True, help="Where the server is.")
@json_option
@store_option
def login(role: str, name: str | None, url: str, as_json: bool, store: str | None) -> None:
    """Make a URL that logs a browser in to `rlhf-otel serve`. It works once, within an hour."""
    from rlhf_otel.server.access.credentials import LOGIN_S, issue
    from rlhf_otel.server.access.principals import Principal

    with writing(store) as opened:
        opened.audit("token", {"login": name or role, "role": role}, who=operator())
        made = f"{url.rstrip('/')}/login?code={issue(opened, 'login', Principal(name or role, role), LOGIN_S)}"
    if as_json:
        print_json({"login": made})
    else:
        click.echo(made)


@click.command("list", epilog=examples("rlhf-otel token list", "rlhf-otel token list --json"))
@json_option
@store_option
def lists(as_json: bool, store: str | None) -> None:
    """List the tokens and sessions of `rlhf-otel serve`, without their secrets."""
    with reading(store) as opened:
        held = [one for one in opened.credentials() if one.kind != "login"]
    if as_json:
        print_json([_shown(one) for one in held])
        return
    if not held:
        click.echo("no tokens; `rlhf-otel token create --role ROLE` makes one", err=True)
        return
    _print(held)


@click.command("revoke", epilog=examples("rlhf-otel token revoke chat-app"))
@click.argument("name")
@store_option
def revoke(name: str, store: str | None) -> None:
    """Take a token back, with every session that was opened with it. A server that runs knows within a second."""
    with writing(store) as opened:
        if name not in (one.name for one in opened.credentials()):
            raise Problem(f"there is no token named {printable(name)}; `rlhf-otel token list` has those that there are")
        opened.audit("token", {"revoked": name}, who=operator())
        opened.drop_credentials(name)
    click.echo(f"{printable(name)}: revoked")


def _seconds(ttl: str | None) -> float | None:
    from rlhf_otel.token import seconds

    try:
        return None if ttl is None else seconds(ttl)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _free_name(store: Store, role: str) -> str:
    taken = {one.name for one in store.credentials()}
    return next(name for number in range(1, len(taken) + 2) if (name := f"{role}-{number}") not in taken)


def _shown(one: Credential) -> dict[str, Any]:
    return {
        "name": one.name, "kind": one.kind, "role": one.role, "created": full_moment(one.created_ns),
        "expires": None if one.expires_ns is None else full_moment(one.expires_ns), "holds": one.holds(time.time_ns()),
    }  # fmt: skip


def _print(held: list[Credential]) -> None:
    rows = []
    for one in held:
        shown = _shown(one)
        expires = (shown["expires"] or "never") + ("" if shown["holds"] else " (over)")
        rows.append((one.name, one.kind, one.role, shown["created"], expires))
    print_table(("name", "kind", "role", "created", "expires"), rows)
