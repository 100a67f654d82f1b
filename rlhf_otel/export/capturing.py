"""What of calls and of feedback may be recorded: by the settings, by provider, and by session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlhf_otel import app_context, parts

if TYPE_CHECKING:
    from rlhf_otel.config import Config
    from rlhf_otel.parts import Parts
    from rlhf_otel.records import Feedback, Interaction


class Capturing:
    """The switches of one telemetry, each looked up once."""

    def __init__(self, config: Config, *, content: bool | None = None) -> None:
        """`content` says whether prompts and answers may be recorded, where that is not as the settings say."""
        self._config = config
        self._parts = parts.of_settings(config, content=content)
        self._of_feedback = parts.chosen(config.capture_parts)
        self._by_provider: dict[str, Parts] = {}

    def of_call(self, interaction: Interaction, capture: Parts | None = None) -> Interaction:
        """`interaction` with what may be recorded of it; the same object where that is all of it.

        Args:
            interaction: any call.
            capture: what the session of the call lets be recorded; None for whatever the settings say.
        """
        may = self._by_provider.get(interaction.provider)
        if may is None:
            may = parts.of_provider(self._parts, self._config, interaction.provider)
            self._by_provider[interaction.provider] = may
        return parts.limited(interaction, may if capture is None else may & capture)

    def of_feedback(self, feedback: Feedback) -> Feedback:
        """`feedback` with what may be recorded of what somebody wrote, by the settings and by the session here."""
        may = self._of_feedback
        capture = app_context.collected().capture
        return parts.limited_feedback(feedback, may if capture is None else may & capture)
