"""HTTP clients that take every request to the fake provider, whatever host it is for."""

from __future__ import annotations

import sys
from typing import Any


def http_library(sdk: str) -> Any:
    """httpx, or httpx2 where the SDK is new enough."""
    module = sys.modules[sdk]
    return sys.modules[module.DefaultHttpxClient.__mro__[-2].__module__.partition(".")[0]]


def rerouted(sdk: str, llm: Any, *, asynchronous: bool = False) -> Any:
    """A client of the SDK's own kind, whose requests all go to `llm` and still say whom they are for.

    Certificates are not loaded: nothing is encrypted on the way, and loading them takes longer than many calls.
    """
    library, port = http_library(sdk), int(llm.url.rpartition(":")[2])

    def redirect(request: Any) -> None:
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=port)

    class Loopback(library.HTTPTransport):
        def handle_request(self, request: Any) -> Any:
            redirect(request)
            return super().handle_request(request)

    class AsyncLoopback(library.AsyncHTTPTransport):
        async def handle_async_request(self, request: Any) -> Any:
            redirect(request)
            return await super().handle_async_request(request)

    module = sys.modules[sdk]
    if asynchronous:
        return module.DefaultAsyncHttpxClient(transport=AsyncLoopback(verify=False))
    return module.DefaultHttpxClient(transport=Loopback(verify=False))
