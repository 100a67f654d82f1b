"""What stands beside calls and must not tell more than they do: events on spans, the resource, lines of our own log."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rlhf_otel.export.pipeline import Pipeline

OF_THE_MACHINE: Final = frozenset(
    {"host.id", "host.ip", "host.mac", "host.name", "process.command", "process.command_args", "process.command_line",
     "process.executable.path", "process.owner", "process.working_directory"}
)  # fmt: skip
"""What detectors of resources find out that tells whose machine it is, and may hold a password."""


def events(given: Sequence[Any], pipeline: Pipeline) -> list[Any]:
    """The events that somebody has put on a span, such as an exception with its stack, without secrets and places."""
    from opentelemetry.sdk.trace import Event

    redactor = pipeline.redactor
    if redactor is None or not given:
        return list(given)
    return [
        Event(event.name, {key: redactor.attribute(key, value) for key, value in (event.attributes or {}).items()},
              event.timestamp)
        for event in given
    ]  # fmt: skip


def named(span: Any, pipeline: Pipeline) -> Any:
    """A finished span of ours without a secret in its name, which has the model's in it, as the application gave it."""
    redactor = pipeline.redactor
    if redactor is not None and (clean := redactor.text(span.name)) != span.name:
        span._name = clean
    return span


def resource(given: Any) -> Any:
    """A resource without what tells of the machine, unless whoever runs the application has said it themselves."""
    from opentelemetry.sdk.resources import Resource

    pairs = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",")
    told = {pair.partition("=")[0].strip() for pair in pairs}
    hidden = OF_THE_MACHINE & given.attributes.keys() - told
    if not hidden:
        return given
    return Resource({key: value for key, value in given.attributes.items() if key not in hidden}, given.schema_url)


class DiscreetLog(logging.Filter):
    """Takes out of our own log lines what redaction takes out of calls: a fault may say what a person said."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__()
        self._pipeline = pipeline

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every record through, without secrets."""
        redactor = self._pipeline.redactor
        if redactor is not None:
            message = record.getMessage()
            if (clean := redactor.text(message)) != message:
                record.msg, record.args = clean, ()
            if record.exc_info and record.exc_info[1] is not None:
                stack = "".join(traceback.format_exception(record.exc_info[1]))
                if (clean := redactor.text(stack)) != stack:
                    record.exc_info, record.exc_text = None, clean.rstrip()
        return True
