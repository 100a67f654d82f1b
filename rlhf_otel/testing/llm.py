"""A local server that speaks the wire formats of OpenAI and Anthropic, and answers what a test tells it to.

`python -m rlhf_otel.testing.llm --port 8800` starts one to play with.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from email.parser import BytesParser
from email.policy import HTTP
from typing import TYPE_CHECKING, Any

from rlhf_otel.testing import (
    batches_anthropic,
    batches_openai,
    socket,
    wire_anthropic,
    wire_clouds,
    wire_media,
    wire_openai,
    wire_responses,
)
from rlhf_otel.testing.delivery import deliver, refuse
from rlhf_otel.testing.loopback import Exchange, LoopbackServer
from rlhf_otel.testing.reply import Reply, Request
from rlhf_otel.testing.wire import Dialect, Endpoint

if TYPE_CHECKING:
    from types import TracebackType

Responder = Callable[[Request], Reply]

_ENDPOINTS = (
    *wire_openai.ENDPOINTS,
    *wire_responses.ENDPOINTS,
    *wire_media.ENDPOINTS,
    *wire_anthropic.ENDPOINTS,
    *batches_anthropic.ENDPOINTS,
    *batches_openai.ENDPOINTS,
    *wire_clouds.ENDPOINTS,
)
_ROUTES = [
    (endpoint.method, re.compile(re.escape(endpoint.path).replace(r"\{id\}", "[^/]+") + "$"), endpoint)
    for endpoint in _ENDPOINTS
]
_ANTHROPIC_MODELS = Endpoint(
    method="GET", path="/models", plain=wire_anthropic.models, dialect="anthropic", scripted=False
)
_STORED = re.compile(r"/responses/([^/]+)(/cancel)?$")


class FakeLLM:
    """A provider on loopback that serves from the moment it is made until it is closed.

    A request is answered by the next scripted reply; when those are used up, by the responder; without one, by the
    default. Paths are known by how they end, so every base URL and Azure's deployment paths work.

    Args:
        replies: answers for the first requests, in order.
        responder: makes the answer of every later request. What it raises becomes a 500 that no client retries, and
            is raised again when the `with` block is left.
        default: the answer where there is neither.
        port: 0 takes a free one.
        host: the address to listen on.

    Raises:
        OSError: the port is taken.
    """

    def __init__(
        self,
        *replies: Reply,
        responder: Responder | None = None,
        default: Reply | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
    ) -> None:
        self.responder = responder
        self.default = default or Reply()
        self._script = deque(replies)
        self._requests: list[Request] = []
        self._count = 0
        kinds = (batches_anthropic.Batches, batches_openai.Batches)
        self._batches = [kind(self._next_reply) for kind in kinds]
        self._served: dict[str, tuple[Reply, Request]] = {}
        self._faults: list[Exception] = []
        self._changed = threading.Condition()
        self._server = LoopbackServer(self._answer, port, host)
        self._server.start()
        self.url = f"http://{host}:{self._server.port}"

    @property
    def openai_url(self) -> str:
        """The `base_url` of an OpenAI client."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """The `base_url` of an Anthropic client."""
        return self.url

    @property
    def requests(self) -> list[Request]:
        """What has been asked so far, oldest first."""
        with self._changed:
            return list(self._requests)

    def script(self, *replies: Reply) -> None:
        """Adds answers for the next requests."""
        with self._changed:
            self._script.extend(replies)

    def wait_for(self, count: int, timeout: float = 5.0) -> list[Request]:
        """Waits until `count` requests have arrived, and returns all.

        Raises:
            TimeoutError: fewer came within `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._requests) >= count, timeout):
                raise TimeoutError(f"{len(self._requests)} of {count} requests came within {timeout} s")
            return list(self._requests)

    def clear(self) -> None:
        """Forgets the requests so far and the replies not yet used; the numbering goes on."""
        with self._changed:
            self._script.clear()
            self._requests.clear()

    def close(self) -> None:
        """Stops serving and closes every connection."""
        self._server.stop()

    def __enter__(self) -> FakeLLM:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if error is None and self._faults:
            raise self._faults[0]

    def _answer(self, exchange: Exchange) -> None:
        if socket.is_wanted(exchange):
            self._converse(exchange, socket.Socket(exchange))
            return
        request = self._record(exchange)
        endpoint = _endpoint(request)
        if endpoint is None:
            missing = Reply(status=404, error=f"Unknown request URL: {request.method} {request.path}")
            refuse(exchange, _dialect(request), missing, request)
            return
        try:
            reply, asked = self._reply(endpoint, request)
            deliver(exchange, endpoint, reply, asked, stream=request.stream)
        except OSError:
            raise
        except Exception as fault:  # noqa: BLE001 - whatever a responder or a script gets wrong reaches the test
            self._faults.append(fault)
            if exchange.answered:
                exchange.cut()
            failed = Reply(status=500, error=f"the script failed: {fault!r}", headers={"x-should-retry": "false"})
            refuse(exchange, endpoint.dialect, failed, request)

    def _converse(self, exchange: Exchange, connection: socket.Socket) -> None:
        """Answers each message that asks for a response, until the client has enough."""
        while (message := connection.receive()) is not None:
            request = self._record(exchange, message)
            if request.body.get("type") == "response.create":
                reply = self._next_reply(request)
                exchange.pause(reply.headers_delay)
                for number, event in enumerate(wire_responses.socket_events(reply, request)):
                    if number == reply.disconnect_after:
                        exchange.cut()
                    exchange.pause(reply.chunk_delay if event.content else 0)
                    connection.send(event.data)

    def _record(self, exchange: Exchange, message: bytes | None = None) -> Request:
        content = exchange.body if message is None else message
        now = time.time()
        body, files = _decoded(content, exchange.headers.get("content-type", ""))
        with self._changed:
            self._count += 1
            request = Request(
                number=self._count,
                method=exchange.method,
                path=exchange.path,
                query=exchange.query,
                headers=exchange.headers,
                body=body,
                files=files,
                content=content,
                time=now,
            )
            self._requests.append(request)
            self._changed.notify_all()
        return request

    def _reply(self, endpoint: Endpoint, request: Request) -> tuple[Reply, Request]:
        """The reply, and the request that it answers: an earlier one where a stored response is asked for."""
        for batches in self._batches:
            if (about := batches.answer(request)) is not None:
                return about, request
        if not endpoint.scripted and (earlier := _STORED.search(request.path)):
            return self._retrieve(earlier[1], request)
        reply = self._next_reply(request) if endpoint.scripted else self.default
        if request.path.endswith("/responses"):
            self._served[reply.id or f"resp_{request.number}"] = (reply, request)
        return reply, request

    def _retrieve(self, response_id: str, request: Request) -> tuple[Reply, Request]:
        if response_id not in self._served:
            return Reply(status=404, error=f"Response with id '{response_id}' not found."), request
        reply, created = self._served[response_id]
        return reply, dataclasses.replace(created, query=request.query)

    def _next_reply(self, request: Request) -> Reply:
        with self._changed:
            if self._script:
                return self._script.popleft()
        return self.responder(request) if self.responder else self.default


def _decoded(body: bytes, content_type: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The fields and the files of a body."""
    if content_type.startswith("multipart/form-data"):
        return _form(body, content_type)
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        value = None
    return (value if isinstance(value, dict) else {}), {}


def _form(body: bytes, content_type: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    message = BytesParser(policy=HTTP).parsebytes(b"content-type: %b\r\n\r\n%b" % (content_type.encode(), body))
    fields: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    for part in message.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        if part.get_filename() is None:
            fields[name] = data.decode()
        else:
            files[name] = data
    return fields, files


def _dialect(request: Request) -> Dialect:
    return "anthropic" if "anthropic-version" in request.headers else "openai"


def _endpoint(request: Request) -> Endpoint | None:
    if request.path.endswith("/models") and _dialect(request) == "anthropic":
        return _ANTHROPIC_MODELS
    for method, pattern, endpoint in _ROUTES:
        if method == request.method and pattern.search(request.path):
            return endpoint
    return None


def main(arguments: Sequence[str] | None = None, wait: Callable[[], object] | None = None) -> int:
    """Serves until interrupted; what is asked and where to find the server is told on stderr."""
    options = _parser().parse_args(arguments)
    reply = Reply(
        text=options.text,
        first_delay=options.first_delay,
        chunk_delay=options.chunk_delay,
    )
    with FakeLLM(default=reply, port=options.port, host=options.host) as llm:
        _say(
            [
                f"OPENAI_BASE_URL={llm.openai_url}",
                f"ANTHROPIC_BASE_URL={llm.anthropic_url}",
                "Any API key will do. Ctrl-C stops.",
            ]
        )
        with contextlib.suppress(KeyboardInterrupt):
            (wait or threading.Event().wait)()
        _say([f"{len(llm.requests)} requests answered."])
    return 0


def _say(lines: Iterable[str]) -> None:
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rlhf_otel.testing.llm",
        description="A local server that speaks the wire formats of OpenAI and Anthropic. Any API key will do.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8800, help="port, 0 for a free one (default: %(default)s)")
    parser.add_argument("--text", help="what to answer (default: a greeting)")
    parser.add_argument("--first-delay", type=float, default=0.3, help="seconds to the first token (default: 0.3)")
    parser.add_argument("--chunk-delay", type=float, default=0.03, help="seconds between tokens (default: 0.03)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
