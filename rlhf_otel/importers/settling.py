"""What can only be said of feedback when all of it has been seen: which scale a number is on, and what is rated."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from rlhf_otel.importers.reading import Record
from rlhf_otel.otel_records import SpanRecord
from rlhf_otel.records import Feedback

_THUMBS: Mapping[str, bool] = {
    **dict.fromkeys(("up", "thumbs-up", "thumbs_up", "thumbs up", "👍", "like", "liked", "good", "positive", "true",
                     "yes", "pass"), True),
    **dict.fromkeys(("down", "thumbs-down", "thumbs_down", "thumbs down", "👎", "dislike", "disliked", "bad",
                     "negative", "false", "no", "fail"), False),
}  # fmt: skip


@dataclass(slots=True)
class Survey:
    """What has been seen of all the files, before anything of them is kept.

    Attributes:
        records: how many of each kind.
        ends: of each name the least and the greatest number that came without a scale.
        steps: the spans that are no calls, with their traces: who rates one rates what came of it.
    """

    records: Counter[str] = field(default_factory=Counter)
    ends: dict[str, tuple[float, float]] = field(default_factory=dict)
    steps: dict[str, str] = field(default_factory=dict)

    def see(self, record: Record) -> None:
        """Takes note of one record."""
        self.records[type(record).__name__] += 1
        if isinstance(record, SpanRecord):
            self.steps[record.span_id] = record.trace_id
        elif isinstance(record, Feedback) and record.kind == "score" and record.scale is None:
            low, high = self.ends.get(record.name, (record.value, record.value))
            self.ends[record.name] = min(low, record.value), max(high, record.value)

    def without_scale(self, scales: Collection[str]) -> dict[str, tuple[float, float]]:
        """The names under which numbers lie outside 0 to 1, on a scale that nobody has told."""
        return {name: ends for name, ends in self.ends.items()
                if name not in scales and not (ends[0] >= 0 and ends[1] <= 1)}  # fmt: skip


def settled(
    record: Record, survey: Survey, scales: Mapping[str, tuple[float, float]], thumbs: Collection[str] = ()
) -> Record:
    """`record` with what the survey and the one who imports know of it.

    A number on an unknown scale is kept as what it is, without a score. A 0 or 1 with a word beside it that says the
    same, or under a name of `thumbs`, is a thumb.
    """
    if not isinstance(record, Feedback):
        return record
    made = _on_a_call(record, survey)
    if made.kind != "score" or made.scale is not None:
        return made
    if made.value in (0, 1) and (made.name in thumbs or _THUMBS.get((made.label or "").lower()) == bool(made.value)):
        return dataclasses.replace(made, kind="binary", value=bool(made.value))
    if (scale := scales.get(made.name)) is not None:
        whole = int(made.value) if float(made.value).is_integer() else made.value
        return dataclasses.replace(made, kind="rating", value=whole, scale=scale)
    return dataclasses.replace(made, kind="custom") if made.name in survey.without_scale(scales) else made


def _on_a_call(feedback: Feedback, survey: Survey) -> Feedback:
    """Who rates a step of an agent, or the whole request, rates what came of it: the call of its trace."""
    trace = survey.steps.get(feedback.span_id) if feedback.span_id else None
    if trace is None:
        return feedback
    told = {**feedback.metadata, "rated_span": feedback.span_id}
    return dataclasses.replace(feedback, span_id="", trace_id=trace, metadata=told)
