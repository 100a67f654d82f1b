"""What the endpoints that do not stream have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call


class Plain:
    """An endpoint that does not stream, and of whose request there is nothing to read unless it says so."""

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Nothing of interest was sent."""

    def new_state(self) -> Any:
        """Nothing is gathered."""

    def chunk(self, call: Call, state: Any, chunk: Any) -> None:
        """Is not to happen."""
        raise TypeError("this endpoint does not stream")

    def end(self, call: Call, state: Any) -> None:
        """Nothing was gathered."""
