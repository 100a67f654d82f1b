"""What a backend says besides yes and no: that it rejects some of a request for good, and when to come again.

The SDK's exporters report neither. Over http the session by which they send is listened to, over grpc the stub is
wrapped. Where an exporter of a newer SDK has neither, nothing is known, and the exporter works as ever.
"""

from __future__ import annotations

import contextlib
import email.utils
import time
from typing import Any

from rlhf_otel import hooks
from rlhf_otel.export.wire import Signal

_RESPONSES: dict[Signal, tuple[str, str, str]] = {
    "traces": ("trace.v1.trace_service_pb2", "ExportTraceServiceResponse", "rejected_spans"),
    "logs": ("logs.v1.logs_service_pb2", "ExportLogsServiceResponse", "rejected_log_records"),
}


_FROM_NOBODY = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED")
"""What grpc says by itself where there is no connection, or it broke; a backend may say the same."""


class Answers:
    """Listens to one exporter.

    Attributes:
        retry_after_s: how long the backend asked us to wait, in its last answer; 0 where it did not ask.
        has_answered: whether the last request was answered at all; None where that cannot be known.
        refusal: the status of the last answer that was none of success, as in `HTTP 401`; empty without one.
    """

    def __init__(self, exporter: Any, signal: Signal) -> None:
        self.retry_after_s, self.refusal = 0.0, ""
        self.has_answered: bool | None = None
        self._signal = signal
        transport = getattr(getattr(exporter, "_client", None), "_transport", None)
        session: Any = getattr(exporter, "_session", None) or getattr(
            transport, "_session", None
        )  # older and newer SDKs
        if isinstance(getattr(session, "hooks", None), dict):
            session.hooks.setdefault("response", []).append(self._http)
        elif callable(stub := getattr(exporter, "_stub", None)):
            exporter._stub = lambda channel: _Stub(stub(channel), self)
            exporter._client = _Stub(exporter._client, self)
        else:
            return
        self.has_answered = False

    def forget(self) -> None:
        """Forgets the last answer."""
        self.retry_after_s, self.refusal = 0.0, ""
        self.has_answered = None if self.has_answered is None else False

    def _http(self, response: Any, *_: Any, **__: Any) -> None:
        self.has_answered = True
        with contextlib.suppress(Exception):  # what a backend says must not make a success a failure
            if response.ok:
                self.taken(self._message().FromString(response.content))
            else:
                self.refusal = f"HTTP {response.status_code}"
                self.retry_after_s = _seconds(response.headers.get("retry-after"))

    def taken(self, response: Any) -> None:
        """Notes what the backend says of a request that it has taken: what it rejects is not to be sent again."""
        partial = response.partial_success
        rejected = int(getattr(partial, _RESPONSES[self._signal][2]))
        if rejected:
            hooks.count("rejected", rejected)
            said = "the backend rejects %d of the %s for good: %s"
            hooks.say(
                f"rejected {self._signal}", said, rejected, self._signal, partial.error_message or "it says no why"
            )
        elif partial.error_message:
            hooks.say(
                f"warned {self._signal}", "the backend takes the %s and says: %s", self._signal, partial.error_message
            )

    def refused(self, error: Any) -> None:
        """Notes when the backend asks to be tried again, in the trailer of an answer over grpc."""
        from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped, unused-ignore]

        with contextlib.suppress(Exception):
            self.refusal = error.code().name
            self.has_answered = self.refusal not in _FROM_NOBODY
            told = dict(error.trailing_metadata()).get("google.rpc.retryinfo-bin")
            delay = RetryInfo.FromString(told).retry_delay if told else None
            self.retry_after_s = 0.0 if delay is None else delay.seconds + delay.nanos / 1e9

    def _message(self) -> Any:
        from importlib import import_module

        module, name, _ = _RESPONSES[self._signal]
        return getattr(import_module(f"opentelemetry.proto.collector.{module}"), name)


class _Stub:
    """The stub of an exporter for grpc, and who is told of what it answers."""

    def __init__(self, stub: Any, answers: Answers) -> None:
        self._stub, self._answers = stub, answers

    def Export(self, **arguments: Any) -> Any:  # noqa: N802 - the name in the protocol
        try:
            response = self._stub.Export(**arguments)
        except Exception as error:
            self._answers.refused(error)
            raise
        with contextlib.suppress(Exception):
            self._answers.taken(response)
        return response


def _seconds(told: str | None) -> float:
    """The seconds of a `Retry-After`, which may be a date."""
    if not told:
        return 0.0
    try:
        return max(0.0, float(told))
    except ValueError:
        return max(0.0, email.utils.parsedate_to_datetime(told).timestamp() - time.time())
