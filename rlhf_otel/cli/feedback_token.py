"""`rlhf-otel token SPAN_ID`: makes the tokens by which a page gives feedback, looks at them, and changes their key."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rlhf_otel.cli.common import (
    Problem,
    examples,
    json_option,
    parse_target,
    print_json,
    printable,
    reading,
    store_option,
    store_path,
)
from rlhf_otel.cli.marks import full_moment
from rlhf_otel.config import ConfigError, load

if TYPE_CHECKING:
    from rlhf_otel.records import Handle
    from rlhf_otel.token import Claims


@click.command(
    "feedback",
    epilog=examples(
        "rlhf-otel token 00f067aa0ba902b7",
        "rlhf-otel token 00f067aa0ba902b7 --rater u1 --names user_feedback,accuracy --ttl 12h",
        "rlhf-otel token --verify - < token.txt",
        "rlhf-otel token --new-key",
    ),
)
@click.argument("span_id", required=False)
@click.option("--rater", metavar="ID", help="Who may use it. [anybody]")
@click.option("--names", metavar="NAME,NAME", help="What may be rated with it. [everything]")
@click.option("--ttl", metavar="TIME", default="30d", show_default=True, help="How long it holds: 30d, 12h, 15m.")
@click.option("--show", metavar="TOKEN", help="Print what a token says, true or not; - reads it from stdin.")
@click.option("--verify", metavar="TOKEN", help="The same, once it has proved to be genuine and to hold still.")
@click.option("--new-key", is_flag=True, help="Sign with a new key from now on; the two before it still verify.")
@json_option
@store_option
def command(**options: Any) -> None:
    """Make a signed token for feedback on one call, or look at one.

    SPAN_ID is as for `rlhf-otel show`. Whoever holds the token can rate that call and no other, until it expires. It is
    signed with RLHF_OTEL_TOKEN_KEY, else with the key file beside the store.
    """
    from rlhf_otel import hooks

    if sum(map(bool, (options["span_id"], options["show"], options["verify"], options["new_key"]))) != 1:
        raise click.UsageError("one of SPAN_ID, --show, --verify and --new-key is expected")
    hooks.settings = load({"store": options["store"]})
    try:
        if options["new_key"]:
            _new_key(options["as_json"])
        elif options["span_id"]:
            _mint(options)
        else:
            _look(options)
    finally:
        hooks.settings = None


def _new_key(as_json: bool) -> None:
    from rlhf_otel import hooks, keys

    if hooks.settings is not None and hooks.settings.token_key:
        raise Problem("RLHF_OTEL_TOKEN_KEY holds the keys here: put a new one in front of it, with a comma between")
    try:
        path = keys.add_to_file()
    except OSError as error:
        raise Problem(f"{keys.file_path()} cannot be written: {error.strerror}") from None
    if as_json:
        print_json({"key_file": str(path)})
    else:
        click.echo(f"{path}: a new key signs from now on; applications that run take it up within a minute")


def _mint(options: dict[str, Any]) -> None:
    from rlhf_otel.token import mint, unverified

    names = [name.strip() for name in (options["names"] or "").split(",") if name.strip()]
    handle = _handle(options["span_id"], options["store"])
    try:
        made = mint(handle, rater=options["rater"], names=names, ttl=options["ttl"])
    except (ValueError, ConfigError) as error:
        raise click.UsageError(str(error)) from None
    if options["as_json"]:
        print_json({"token": made, **_shown(unverified(made))})
    else:
        click.echo(made)


def _handle(text: str, store: str | None) -> Handle:
    """The call; with its start, where the store knows it."""
    target = parse_target(text)
    if not Path(store_path(load({"store": store}))).exists():
        if isinstance(target, str):
            raise Problem(f"{text} is a response id, and there is no store to find its span in")
        return target
    with reading(store) as opened:
        found = opened.find(response_id=target) if isinstance(target, str) else opened.find(span_id=target.span_id)
    if found is None and isinstance(target, str):
        raise Problem(f"{text} is not in this store; `rlhf-otel traces` lists what is")
    same = found is not None and (isinstance(target, str) or target.trace_id in ("", found.trace_id))
    return found if same and found is not None else target  # type: ignore[return-value]


def _look(options: dict[str, Any]) -> None:
    from rlhf_otel.token import InvalidToken, unverified, verify

    text = options["show"] or options["verify"]
    text = (sys.stdin.read() if text == "-" else text).strip()
    try:
        claims = verify(text) if options["verify"] else unverified(text)
    except InvalidToken as error:
        if options["as_json"]:
            print_json({"valid": False, "reason": error.reason})
        raise Problem(str(error)) from None
    shown = _shown(claims)
    if options["as_json"]:
        print_json({"valid": True, **shown} if options["verify"] else shown)
        return
    for name, value in shown.items():
        words = ", ".join(value) or "everything" if isinstance(value, list) else str(value or "anybody")
        click.echo(f"{name:<9} {printable(words)}")


def _shown(claims: Claims) -> dict[str, Any]:
    return {
        "span_id": claims.span_id,
        "trace_id": claims.trace_id or "unknown",
        "start": full_moment(claims.start_ns) if claims.start_ns else "unknown",
        "expires": full_moment(claims.expires * 1_000_000_000),
        "rater": claims.rater,
        "names": list(claims.names),
        "key_id": claims.key_id,
    }
