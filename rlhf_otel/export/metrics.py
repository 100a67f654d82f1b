"""The conventions' client histograms, and two of our own for feedback."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rlhf_otel import hooks
from rlhf_otel import semconv as s

if TYPE_CHECKING:
    from rlhf_otel.records import Feedback, Interaction


class Instruments:
    """The histograms and the counter of one meter."""

    def __init__(self, meter: Any, *, next_names: bool, labels: Sequence[str]) -> None:
        """`labels` are the names and words of feedback that a metric may carry; the rest counts as `other`."""
        self._labels = frozenset(labels)

        def histogram(name: str, unit: str, doc: str, buckets: Sequence[float]) -> Any:
            name = s.NEXT_METRIC_NAMES.get(name, name) if next_names else name
            return meter.create_histogram(name, unit, doc, explicit_bucket_boundaries_advisory=list(buckets))

        seconds = s.DURATION_BUCKETS
        self._duration = histogram(s.METRIC_DURATION, "s", "Duration of calls to a model.", seconds)
        self._first_chunk = histogram(s.METRIC_TIME_TO_FIRST_CHUNK, "s", "Time to the first chunk.", seconds)
        self._per_chunk = histogram(s.METRIC_TIME_PER_OUTPUT_CHUNK, "s", "Time from one chunk to the next.", seconds)
        self._tokens = histogram(s.METRIC_TOKEN_USAGE, "{token}", "Tokens in and out.", s.TOKEN_BUCKETS)
        self._feedback = meter.create_counter(s.METRIC_FEEDBACK_COUNT, "{feedback}", "Feedback received.")
        self._score = histogram(
            s.METRIC_FEEDBACK_SCORE, "1", "Scores of feedback, 0 to 1.", [x / 10 for x in range(11)]
        )

        meter.create_observable_counter(
            s.METRIC_EXPORT_DROPPED, [_dropped], "{item}", "Spans and events that were dropped."
        )

    def measure(self, i: Interaction, stamps: Sequence[int]) -> None:
        """Records one call; `stamps` are the times of its chunks, in nanoseconds."""
        common = {s.OPERATION_NAME: i.operation, s.PROVIDER_NAME: i.provider}
        optional = {s.REQUEST_MODEL: i.request_model, s.RESPONSE_MODEL: i.response_model}
        optional |= {key: i.attributes.get(key) for key in (s.SERVER_ADDRESS, s.SERVER_PORT)}
        common.update((key, value) for key, value in optional.items() if value is not None)
        failed = {s.ERROR_TYPE: i.error_type} if i.error_type else {}
        if s.BATCH_CUSTOM_ID not in i.attributes:  # nobody has seen how long an answer of a batch took
            self._duration.record(i.duration_s, {**common, **failed})
        if i.time_to_first_chunk_s is not None:
            self._first_chunk.record(i.time_to_first_chunk_s, common)
        for before, after in itertools.pairwise(stamps):
            self._per_chunk.record((after - before) / 1e9, common)
        for kind, count in (("input", i.input_tokens), ("output", i.output_tokens)):
            if count is not None and not i.usage_estimated:
                self._tokens.record(count, {**common, s.TOKEN_TYPE: kind})

    def count(self, f: Feedback, model: str | None = None, variant: str | None = None) -> None:
        """Records one feedback. Names and labels are the application's words: only those on the list get through."""
        attributes: dict[str, Any] = {
            s.FEEDBACK_KIND: f.kind,
            s.EVALUATION_NAME: f.name if f.name in self._labels else "other",
        }
        if f.label is not None:
            attributes[s.EVALUATION_SCORE_LABEL] = f.label if f.label in self._labels else "other"
        if model is not None:
            attributes[s.REQUEST_MODEL] = model
        if variant is not None:
            attributes[s.VARIANT] = variant
        self._feedback.add(1, attributes)
        if (score := f.score) is not None:
            self._score.record(score, attributes)


def _dropped(_: Any) -> list[Any]:
    """How much has been dropped so far, by the reason for it."""
    from opentelemetry.metrics import Observation

    prefix = "dropped_"
    found = {name: count for name, count in dict(hooks.counters).items() if name.startswith(prefix) and count}
    return [Observation(count, {"reason": name.removeprefix(prefix)}) for name, count in found.items()]
