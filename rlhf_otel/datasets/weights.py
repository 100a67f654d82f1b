"""How many calls one that was stored stands for, where only a share of them is kept."""

from __future__ import annotations

from collections.abc import Sequence

from rlhf_otel import semconv
from rlhf_otel.records import Feedback, Interaction


def weight(interaction: Interaction, feedback: Sequence[Feedback] = ()) -> float:
    """One over the chance that the call was stored, for sums over all calls that were made.

    What was rated while it was held back is stored in any case and stands for itself; what nobody rated in time is
    stored by chance alone.

    Args:
        interaction: the call.
        feedback: what was said of it, whether it counts now or not.
    """
    rate = interaction.attributes.get(semconv.SAMPLED_RATE)
    if not isinstance(rate, float) or not 0 < rate < 1:
        return 1.0
    until_ns = interaction.end_ns + int(interaction.attributes.get(semconv.SAMPLED_HOLD, 0) * 1e9)
    in_time = any(each.given_by == "human" and each.time_ns <= until_ns for each in feedback)
    brought_back = interaction.attributes.get(semconv.SAMPLED_REASON) == "feedback"
    return 1.0 if brought_back or in_time else 1 / rate
