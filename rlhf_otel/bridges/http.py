"""JSON over HTTP to the API of a backend, with the standard library: a few requests, now and then."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_S = 30.0
SHOWN = 200
"""How much of an answer that says no is passed on."""


class BackendError(Exception):
    """The backend cannot be reached, or does not take what it is sent; says why in plain words."""


class Api:
    """The API of one backend.

    Args:
        url: of the backend, without a path.
        headers: sent each time, such as the key.
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        if not url.startswith(("http://", "https://")):
            raise BackendError(f"{url!r} is no URL; http://host:port or https://host is expected")
        self.url = url.rstrip("/")
        self._headers = {"content-type": "application/json", "accept": "application/json", **headers}

    def send(self, method: str, path: str, body: Any = None, *, may_be: tuple[int, ...] = ()) -> tuple[int, Any]:
        """The status and the JSON of the answer, or its text where it is no JSON.

        Raises:
            BackendError: there is no answer, or it is neither a success nor one of the statuses `may_be`.
        """
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data, self._headers, method=method)
        try:
            with urlopen(request, timeout=TIMEOUT_S) as answer:
                return answer.status, _parsed(answer.read())
        except HTTPError as refused:
            said = refused.read()
            if refused.code in may_be:
                return refused.code, _parsed(said)
            raise BackendError(f"{self.url} refuses {method} {path}: {refused.code} {_shown(said)}") from None
        except (URLError, OSError, ValueError) as error:
            raise BackendError(f"{self.url} does not answer: {getattr(error, 'reason', error)}") from None


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def _shown(body: bytes) -> str:
    return " ".join(body[:SHOWN].decode(errors="replace").split())
