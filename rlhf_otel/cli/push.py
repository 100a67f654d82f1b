"""`rlhf-otel push`: feedback of the store as annotations in Phoenix or as scores in Langfuse."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rlhf_otel.cli.common import Problem, examples, json_option, print_json, printable, reading, store_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rlhf_otel.bridges.annotations import Annotation
    from rlhf_otel.bridges.pushing import Backend, Pushed
    from rlhf_otel.records import Interaction
    from rlhf_otel.store import Store

_URLS = {
    "phoenix": ("http://localhost:6006", ("PHOENIX_COLLECTOR_ENDPOINT",)),
    "langfuse": ("https://cloud.langfuse.com", ("LANGFUSE_BASE_URL", "LANGFUSE_HOST")),
}
"""Where each is, unless --url or one of these variables of its own says otherwise."""


@click.command(
    "push",
    epilog=examples(
        "rlhf-otel push phoenix",
        "rlhf-otel push phoenix --url http://phoenix:6006 --project chat",
        "LANGFUSE_PUBLIC_KEY=pk-... LANGFUSE_SECRET_KEY=sk-... rlhf-otel push langfuse",
    ),
)
@click.argument("to", type=click.Choice(tuple(_URLS)))
@click.option("--url", metavar="URL", help="Of the backend. [PHOENIX_COLLECTOR_ENDPOINT, LANGFUSE_BASE_URL]")
@click.option("--project", default="default", show_default=True, help="Of Phoenix; Langfuse's keys say which.")
@click.option("--again", is_flag=True, help="Send also what was sent before: the backend has lost it.")
@json_option
@store_option
def command(*, to: str, url: str | None, project: str, again: bool, as_json: bool, store: str | None) -> None:
    """Bring the annotations of a backend that has the same spans to what the feedback in the store says now.

    Sends what is new, deletes what was taken back or changed, and leaves the rest alone; run it as often as you like.
    Keys: PHOENIX_API_KEY; LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY.
    """
    from rlhf_otel.bridges.http import BackendError
    from rlhf_otel.bridges.pushing import Ledger, push

    try:
        backend = _backend(to, url or _url(to), project)
        with reading(store) as opened:
            ledger = Ledger(Path(opened.path).parent / "pushed", backend)
            done = push(_annotations(opened), backend, ledger, again=again)
    except BackendError as error:
        raise Problem(f"{printable(str(error))}. What was confirmed before that is not sent again") from None
    except OSError as error:
        raise Problem(f"what was pushed cannot be written down: {error}") from None
    if as_json:
        print_json(asdict(done))
    else:
        click.echo(_told(done, to))


def _url(to: str) -> str:
    usual, variables = _URLS[to]
    return next((value for name in variables if (value := os.environ.get(name))), usual)


def _backend(to: str, url: str, project: str) -> Backend:
    if to == "phoenix":
        from rlhf_otel.bridges.phoenix import Phoenix

        return Phoenix(url, os.environ.get("PHOENIX_API_KEY"), project)
    from rlhf_otel.bridges.langfuse import Langfuse

    keys = [os.environ.get(name, "") for name in ("LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY")]
    if not all(keys):
        raise Problem("Langfuse asks for keys: set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY")
    return Langfuse(url, *keys)


def _annotations(opened: Store) -> Iterator[Annotation]:
    """What counts now, on every call that is rated."""
    from rlhf_otel.bridges.annotations import annotation_of

    for call in _rated(opened):
        for one in opened.feedback_on([call])[call.span_id]:
            yield annotation_of(one, call.handle)


def _rated(opened: Store) -> Iterator[Interaction]:
    """Also calls that only the backend has, as far as feedback names their spans."""
    from rlhf_otel.records import Interaction
    from rlhf_otel.store.rows import feedback_spans

    yield from opened.interactions(has_feedback=True)
    elsewhere = {}
    for one in opened.pending():
        elsewhere.update({span: one.trace_id if span == one.span_id else "" for span in feedback_spans(one)})
    for span_id, trace_id in elsewhere.items():
        yield Interaction(trace_id=trace_id, span_id=span_id, start_ns=0, end_ns=0)


def _told(done: Pushed, to: str) -> str:
    waiting = f", {done.waiting} not taken: {to} does not have their spans (yet)" if done.waiting else ""
    return f"{done.sent} sent, {done.unchanged} there already, {done.removed} removed{waiting}"
