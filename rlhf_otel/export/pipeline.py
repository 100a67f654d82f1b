"""What an interaction goes through before anything of it is written or sent: a list of callables.

The order is the user's processors, then redaction. Whatever fails withholds the content: a redactor that breaks must
not be a leak.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rlhf_otel import hooks, records, semconv

if TYPE_CHECKING:
    from rlhf_otel.records import Feedback, Interaction

processors: list[hooks.Processor] = []
"""The user's, in the order in which they were added."""

_dropped: ContextVar[str] = ContextVar("rlhf_otel_dropped", default="")


def add_processor(processor: hooks.Processor) -> Callable[[], None]:
    """Adds a step that every interaction goes through before it is stored or sent.

    Args:
        processor: takes an `Interaction` and returns it, changed (`dataclasses.replace`) or not; raises `Drop` for
            what shall not leave the process. May be asynchronous where the work is done on the export thread.
            Calls to models that it makes are not recorded.

    Returns:
        A function that removes it again.
    """
    processors.append(processor)
    return lambda: processors.remove(processor) if processor in processors else None


class Pipeline:
    """The steps of one telemetry."""

    def __init__(self, redactor: Any = None) -> None:
        self.redactor = redactor

    def __call__(self, interaction: Interaction, *, deferred: bool) -> tuple[Interaction, bool]:
        """Runs every step; never raises.

        Args:
            interaction: as the readers left it.
            deferred: whether this is the export thread, where asynchronous steps may run.

        Returns:
            What may leave the process, and whether a processor said `Drop`.
        """
        dropped = False
        for step in tuple(processors):
            try:
                with hooks.plugged_in_code():
                    interaction = self._run(step, interaction, deferred)
            except hooks.Drop:
                hooks.count("dropped_by_processor")
                _dropped.set(interaction.span_id)
                interaction, dropped = without_content(interaction), True
                break
            except Exception as error:  # noqa: BLE001 - a processor is foreign code
                interaction = _withheld(_named(step), interaction, error)
        return self.redacted(interaction), dropped

    def redacted(self, interaction: Interaction) -> Interaction:
        """Redaction alone; never raises."""
        if self.redactor is None:
            return interaction
        try:
            return self.redactor(interaction)  # type: ignore[no-any-return]
        except Exception as error:  # noqa: BLE001 - a redactor that breaks must not be a leak
            return _withheld("the redactor", interaction, error)

    def feedback(self, feedback: Feedback) -> Feedback:
        """Redacts what a person wrote."""
        return self.redactor.redact_feedback(feedback) if self.redactor is not None else feedback

    @staticmethod
    def _run(step: hooks.Processor, interaction: Interaction, deferred: bool) -> Interaction:
        result: Any = step(interaction)
        if inspect.isawaitable(result):
            if not deferred:
                if inspect.iscoroutine(result):
                    result.close()
                raise MisusedError("is asynchronous, which only works where the work is done on the export thread")
            result = asyncio.run(_awaited(result))
        if not isinstance(result, records.Interaction | None):
            raise MisusedError(f"returned {type(result).__name__}, neither an Interaction nor None")
        return interaction if result is None else result


class MisusedError(TypeError):
    """A processor that does what no processor may; the message has nothing of what was said."""


def _named(step: hooks.Processor) -> str:
    return f"the processor {getattr(step, '__name__', type(step).__name__)!r}"


def _withheld(who: str, interaction: Interaction, error: Exception) -> Interaction:
    did = str(error) if isinstance(error, MisusedError) else "raised"
    hooks.fault(f"{who} {did}; content is withheld", error)
    return without_content(interaction)


def was_dropped(span_id: str) -> bool:
    """Whether the interaction that went through the pipeline last, on this thread, is this one and was dropped."""
    return _dropped.get() == span_id


async def _awaited(result: Any) -> Any:
    return await result


_FIGURES = ("gen_ai.request.", "gen_ai.usage.", "gen_ai.embeddings.", "http.", "server.", "openai.")
"""What attributes are called of which numbers are kept where content is withheld."""
_WORDS = frozenset(
    {semconv.OUTPUT_TYPE, semconv.OPENAI_API_TYPE, semconv.OPENAI_REQUEST_SERVICE_TIER,
     semconv.OPENAI_RESPONSE_SERVICE_TIER, semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT, semconv.SERVER_ADDRESS,
     semconv.REQUEST_REASONING_LEVEL, *semconv.PROCESSING_TIME_HEADERS}
)  # fmt: skip
"""Attributes of which text is kept as well."""


def without_content(interaction: Interaction) -> Interaction:
    """The figures of an interaction, without a word of what was said."""
    message = "[withheld]" if interaction.error_message is not None else None
    kept = {key: value for key, value in interaction.attributes.items() if _is_figure(key, value)}
    return replace(
        interaction,
        input=None,
        output=None,
        system=None,
        tools=None,
        context={},
        error_message=message,
        attributes=kept,
    )


def _is_figure(key: str, value: Any) -> bool:
    if isinstance(value, str) or key in semconv.PROCESSING_TIME_HEADERS:
        return key in _WORDS
    return isinstance(value, bool | int | float) and key.startswith(_FIGURES)
