"""`rlhf-otel serve`: the embedded store as an OTLP backend."""

from __future__ import annotations

import json
import logging
import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from rlhf_otel.cli.common import Problem, examples, store_option, store_path
from rlhf_otel.config import Config, load

if TYPE_CHECKING:
    from rlhf_otel.server.run import Options, Place
    from rlhf_otel.server.tls import Certificate

NEEDED = ("starlette", "uvicorn", "httptools", "orjson", "zstandard", "jinja2")
"""What the extra `[server]` brings."""
SHORTEST_TOKEN = 16
"""Characters of a token beyond this machine."""


@click.command(
    "serve",
    epilog=examples(
        "rlhf-otel serve",
        "rlhf-otel serve --store calls.db --port 0 --grpc-port 0",
        "RLHF_OTEL_SERVER_TOKEN=... rlhf-otel serve --host 0.0.0.0",
    ),
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=4318, show_default=True, help="For HTTP; 0: a free one.")
@click.option(
    "--grpc-port", type=click.IntRange(0, 65535), default=4317, show_default=True, help="For gRPC; 0: a free one."
)
@click.option("--no-grpc", is_flag=True, help="Serve HTTP alone.")
@click.option("--insecure", is_flag=True, help="Listen beyond this machine without a token: anybody may write.")
@click.option("--tls-cert", metavar="FILE", help="Speak TLS with this certificate. [RLHF_OTEL_SERVER_TLS_CERT]")
@click.option("--tls-key", metavar="FILE", help="Its private key. [RLHF_OTEL_SERVER_TLS_KEY]")
@click.option("--json", "as_json", is_flag=True, help="Print where it listens as one line of JSON.")
@store_option
def command(host: str, insecure: bool, as_json: bool, store: str | None, **options: Any) -> None:
    """Receive OTLP over HTTP and gRPC into the store, and show what is in it, until Ctrl-C.

    Takes traces, logs and metrics from any OpenTelemetry SDK or collector, and feedback. A request is answered when it
    is on the disk, and not before. Listens to this machine alone, unless --host says otherwise. A browser gets in by
    the login URL that is printed, or with a token of `rlhf-otel token create`.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise Problem(f"serve needs an extra: pip install 'rlhf-otel[server]' (not installed: {', '.join(missing)})")
    tls = {f"server_{name}": options.pop(name) for name in ("tls_cert", "tls_key")}
    config = load({"store": store, **tls})
    if not re.fullmatch(r"[\x21-\x7e]*", config.server_token or ""):
        raise click.UsageError(
            "RLHF_OTEL_SERVER_TOKEN has a character that a header cannot carry; use letters and digits"
        )
    from rlhf_otel.server.guard import is_loopback

    if not is_loopback(host) and not insecure and 0 < len(config.server_token or "") < SHORTEST_TOKEN:
        raise click.UsageError(
            f"RLHF_OTEL_SERVER_TOKEN has fewer than {SHORTEST_TOKEN} characters, which others could find by trying;"
            " `openssl rand -hex 32` makes one that nobody finds"
        )
    _serve(config, _options(config, host, is_open=insecure or is_loopback(host), **options), as_json)


def _options(config: Config, host: str, *, is_open: bool, port: int, grpc_port: int, no_grpc: bool) -> Options:
    from rlhf_otel.redact import redactor_for
    from rlhf_otel.server.run import Options
    from rlhf_otel.server.tidying import Retention

    return Options(
        host=host,
        port=port,
        grpc_port=None if no_grpc else grpc_port,
        token=config.server_token or "",
        is_open=is_open,
        hosts=config.server_hosts,
        certificate=_certificate(config),
        session_s=config.server_session,
        most_asked=config.server_rate,
        max_bytes=config.server_max_bytes,
        waiting_bytes=config.server_waiting_bytes,
        inbox_bytes=config.server_inbox_bytes,
        patience_s=config.server_patience,
        redactor=redactor_for(config),
        feedback_per_token=config.server_feedback_per_token,
        feedback_per_address=config.server_feedback_per_address,
        retention=Retention(config.retention_age, config.retention_bytes),
        review=_review(config),
    )


def _review(config: Config) -> Any:
    """The desk for what waits for approval, where something may; for the server a room that it does not know."""
    from rlhf_otel.export.review.queue import path_of

    if not config.review_before_submit and not path_of(config).exists():
        return None
    from rlhf_otel.export.review.desk import Desk

    return Desk(load({"store": config.store, "review_before_submit": False}))


def _certificate(config: Config) -> Certificate | None:
    """What TLS is spoken with; None where it is not.

    Raises:
        Problem: the files are of no use.
    """
    from rlhf_otel.server.tls import Certificate, CertificateError

    if not config.server_tls_cert and not config.server_tls_key:
        return None
    if not config.server_tls_cert or not config.server_tls_key:
        raise click.UsageError("TLS needs both: --tls-cert has the certificate, --tls-key its private key")
    found = Certificate(config.server_tls_cert, config.server_tls_key)
    try:
        found.check()
    except CertificateError as error:
        raise Problem(str(error)) from None
    return found


def _serve(config: Config, options: Options, as_json: bool) -> None:
    from rlhf_otel import hooks
    from rlhf_otel.server.run import TakenError, serve
    from rlhf_otel.store import Store, StoreError

    logging.basicConfig(level=(config.log_level or "warning").upper(), format="rlhf-otel serve: %(message)s")
    hooks.settings = config  # the key of the tokens lies beside the store that is served
    try:
        store = Store.open(store_path(config))
        if not options.is_open and not options.token and not any(one.kind == "token" for one in store.credentials()):
            store.close()
            raise click.UsageError(
                f"--host {options.host} lets others write here. Set RLHF_OTEL_SERVER_TOKEN, which clients then send"
                " with OTEL_EXPORTER_OTLP_HEADERS='authorization=Bearer TOKEN', or make tokens with"
                " `rlhf-otel token create`, or say --insecure"
            )
        serve(store, options, lambda place: _say(place, bool(options.token), as_json))
    except (StoreError, TakenError) as error:
        raise Problem(str(error)) from None


def _say(place: Place, with_token: bool, as_json: bool) -> None:
    """Where it listens: for a program on stdout, for a person on stderr."""
    if as_json:
        told = {"http": place.http_url, "grpc": place.grpc_url, "store": place.store, "login": place.login_url}
        click.echo(json.dumps(told))
        return
    token = " OTEL_EXPORTER_OTLP_HEADERS='authorization=Bearer TOKEN'" if with_token else ""
    grpc = f" and gRPC at {place.grpc_url}" if place.grpc_url else ""
    click.echo(
        f"rlhf-otel serve: OTLP over HTTP at {place.http_url}{grpc}, into {place.store}\n"
        f"  record:  OTEL_EXPORTER_OTLP_ENDPOINT={place.http_url}{token} rlhf-otel-instrument python app.py\n"
        f"  look:    rlhf-otel traces --store {place.store}\n"
        f"  browse:  {place.login_url or f'{place.http_url}, with a token'}\n"
        "  stop:    Ctrl-C",
        err=True,
    )
