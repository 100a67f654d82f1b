"""What an interaction goes through before anything of it is written or sent: a list of callables.

The order is the user's processors, then redaction. Whatever fails withholds the content: a redactor that breaks must
not be a leak.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rlhf_otel import codec, hooks, records, semconv
from rlhf_otel.hooks import Completed
from rlhf_otel.redact.fields import INTERACTION_FIELDS

if TYPE_CHECKING:
    from rlhf_otel.records import Feedback, Interaction
    from rlhf_otel.redact import Redactor

processors: list[hooks.Processor] = []
"""The user's, in the order in which they were added."""


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

    def __init__(self, make_redactor: Callable[[], Redactor | None] = lambda: None, *, errors: bool = True) -> None:
        """What to do.

        Args:
            make_redactor: called when the first interaction or feedback comes, as its rules take time to load.
            errors: whether what went wrong with a call may be told.
        """
        self._make_redactor, self.errors = make_redactor, errors
        self._redactor: list[Redactor | None] = []

    @property
    def redactor(self) -> Redactor | None:
        """What takes secrets out; None where that is switched off."""
        if not self._redactor:
            self._redactor = [self._make_redactor()]
        return self._redactor[0]

    def __call__(self, interaction: Interaction, *, deferred: bool) -> Completed:
        """Runs every step; never raises.

        Args:
            interaction: as the readers left it, which is in plain JSON values.
            deferred: whether this is the export thread, where asynchronous steps may run.
        """
        if not self.errors:
            interaction = without_error(interaction)
        steps = tuple(processors)
        if not steps:
            return self._untouched(interaction)
        dropped = False
        for step in steps:
            try:
                with hooks.plugged_in_code():
                    interaction = self._run(step, interaction, deferred)
            except hooks.Drop:
                hooks.count("dropped_by_processor")
                interaction, dropped = without_content(interaction), True
                break
            except Exception as error:  # noqa: BLE001 - a processor is foreign code
                interaction = _withheld(_named(step), interaction, error)
        return Completed(self.redacted(interaction), dropped=dropped)

    def _untouched(self, interaction: Interaction) -> Completed:
        """Redacts what no processor has touched: encoded once, for the look at it and for the span alike."""
        encoded = codec.encoded_fields(interaction, INTERACTION_FIELDS)
        redacted = self.redacted(interaction, encoded)
        return Completed(redacted, encoded if redacted is interaction else None)

    def redacted(self, interaction: Interaction, encoded: Mapping[str, str] | None = None) -> Interaction:
        """Redaction alone; never raises. `encoded` as the redactor takes it."""
        try:
            redactor = self.redactor
            return interaction if redactor is None else redactor(interaction, encoded)
        except Exception as error:  # noqa: BLE001 - a redactor that breaks must not be a leak
            return _withheld("the redactor", interaction, error)

    def feedback(self, feedback: Feedback) -> Feedback:
        """Redacts what a person wrote."""
        redactor = self.redactor
        return feedback if redactor is None else redactor.redact_feedback(feedback)

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


async def _awaited(result: Any) -> Any:
    return await result


_FIGURES = ("gen_ai.request.", "gen_ai.usage.", "gen_ai.embeddings.", "http.", "server.", "openai.", "rlhf.sampled.")
"""What attributes are called of which numbers are kept where content is withheld."""
_WORDS = frozenset(
    {semconv.OUTPUT_TYPE, semconv.OPENAI_API_TYPE, semconv.OPENAI_REQUEST_SERVICE_TIER,
     semconv.OPENAI_RESPONSE_SERVICE_TIER, semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT, semconv.SERVER_ADDRESS,
     semconv.REQUEST_REASONING_LEVEL, semconv.SAMPLED_REASON, *semconv.PROCESSING_TIME_HEADERS}
)  # fmt: skip
"""Attributes of which text is kept as well."""


def without_error(interaction: Interaction) -> Interaction:
    """An interaction of which nothing says what went wrong, if something did."""
    if interaction.error_type is None and interaction.error_message is None:
        return interaction
    kept = {key: value for key, value in interaction.attributes.items() if key != semconv.HTTP_RESPONSE_STATUS_CODE}
    return replace(interaction, error_type=None, error_message=None, attributes=kept)


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
