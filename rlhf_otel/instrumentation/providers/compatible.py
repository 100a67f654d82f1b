"""Client libraries made by the generator that made openai's, for services that speak OpenAI's wire format.

The generator gives each of them the same base classes, so `stainless.py` patches them as it patches openai, and the
readers are those of openai. A library of the kind is one line in a file of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel.instrumentation.providers.anthropic import provider as anthropic
from rlhf_otel.instrumentation.providers.hosts import provider_name
from rlhf_otel.instrumentation.providers.openai import provider as openai

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.endpoint import Endpoint


class Compatible:
    """The provider of such a library.

    Args:
        package: how it is imported.
        versions: the lowest and the highest major version that is supported.
        name: the conventions' name of the service, where it is not the package.
        own: readers where the service goes beyond OpenAI, by the path behind `/v1`.
    """

    def __init__(
        self, package: str, versions: tuple[int, int], *, name: str = "", own: Mapping[str, Endpoint] | None = None
    ) -> None:
        self.package = package
        self.versions = versions
        self._name = name or package
        self._own = own or {}

    def endpoint(self, path: str, method: str = "POST") -> Endpoint | None:
        """The readers of `path`, whatever stands before its `/v1`; `/messages` is in the format of Anthropic."""
        tail = "/" + path.rpartition("/v1/")[2].lstrip("/")
        if tail.partition("?")[0] == "/messages":
            return anthropic.endpoint("/v1/messages", method)
        own = self._own.get(tail) if method == "POST" else None
        return own or openai.endpoint(tail, method)

    def name_of(self, client: Any) -> str:
        """By the host that it talks to; a host that is not known counts as the service itself."""
        return provider_name(client, self._name, {})
