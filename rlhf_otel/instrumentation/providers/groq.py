"""groq 0 and 1. A stream ends with the usage in a field of its own, whether or not it was asked for.

Source: the types of groq 1.7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlhf_otel.instrumentation.providers.compatible import Compatible
from rlhf_otel.instrumentation.providers.openai import Chat
from rlhf_otel.instrumentation.providers.openai_dialects import read_usage

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call


class GroqChat(Chat):
    """`/chat/completions`."""

    def chunk(self, call: Call, state: Any, chunk: Any) -> None:
        """Reads what every chunk has, and the usage of the last one."""
        super().chunk(call, state, chunk)
        if (own := chunk.x_groq) is not None:
            read_usage(call, own.usage)


provider = Compatible("groq", (0, 1), own={"/chat/completions": GroqChat()})
