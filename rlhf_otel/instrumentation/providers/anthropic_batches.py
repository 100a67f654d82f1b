"""Batches of Anthropic's messages: made, looked at, cancelled, and their results, each of which is a message.

Sources: `resources/messages/batches.py` of anthropic 2.14 and its types; the results are a file of JSON lines at an
address that the batch names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation import batches
from rlhf_otel.instrumentation.bodies import LineReader
from rlhf_otel.instrumentation.providers.plain import Plain

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.endpoint import Endpoint

_PATH = re.compile(r"/v1/messages/batches(?:/([^/?]+))?(/results|/cancel)?(?:\?|$)")
_UNFINISHED = {"expired": "the batch expired before this request was answered", "canceled": None}
"""Why a request has no answer -> the error that this is; what was cancelled did not fail."""


class _Batch(Plain):
    """Anything that answers with a batch."""

    def __init__(self, operation: str) -> None:
        self.operation = operation

    def read_options(self, call: Call, options: Any) -> None:
        """Reads the id from the path: an answer that is an error does not say it."""
        if (found := _PATH.search(str(options.url))) is not None and found[1]:
            call.attributes[semconv.BATCH_ID] = found[1]

    def response(self, call: Call, result: Any) -> None:
        """Reads how far it is."""
        call.attributes[semconv.BATCH_ID] = result.id
        if status := result.processing_status:
            call.attributes[semconv.BATCH_STATUS] = status


class _Created(_Batch):
    """`POST /v1/messages/batches`."""

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Keeps the questions for when their answers are read."""
        asked = [one for one in body.get("requests") or () if isinstance(one, Mapping)]
        call.attributes[semconv.BATCH_SIZE] = len(asked)
        if (batch := call.attributes.get(semconv.BATCH_ID)) is None:
            return
        for one in asked:
            question = one.get("params") or {}
            batches.memory.keep(batch, str(one.get("custom_id")), question.get("model"), json.dumps(question).encode())


class _Results(_Batch):
    """The results of a batch, as lines; the application reads them, and we along with it."""

    reader = LineReader

    def __init__(self, messages: Endpoint) -> None:
        super().__init__(semconv.FETCH_BATCH_RESULTS)
        self._messages = messages

    def response(self, call: Call, result: Any) -> None:
        """There are lines and nothing else."""

    def line(self, call: Call, value: Any) -> None:
        """Records one result as the message that it is, or as the error."""
        result, custom_id = value.result, value.custom_id
        if result is None or custom_id is None:
            return
        batch = call.attributes[semconv.BATCH_ID]
        batches.record_answer(
            call, self._messages, batch=batch, custom_id=custom_id, answer=result.message, failure=_failure(result)
        )


def _failure(result: Any) -> tuple[str, str | None] | None:
    """What went wrong with one request of a batch."""
    if result.type == "errored":
        error = result.error and (result.error.error or result.error)  # an error stands within an error response
        return (error.type or "_OTHER", error.message or "") if error else ("_OTHER", "")
    return (result.type, _UNFINISHED[result.type]) if result.type in _UNFINISHED else None


class Batches:
    """The readers of what is done with batches of `messages`."""

    def __init__(self, messages: Endpoint) -> None:
        one = _Batch(semconv.FETCH_BATCH)
        self._endpoints: Mapping[tuple[str, bool, str | None], Endpoint] = {
            ("POST", False, None): _Created(semconv.CREATE_BATCH),
            ("GET", True, None): one,
            ("POST", True, "/cancel"): _Batch(semconv.CANCEL_BATCH),
            ("GET", True, "/results"): _Results(messages),
        }

    def endpoint(self, path: str, method: str) -> Endpoint | None:
        """The readers of a path, which is a whole address where the batch has named it."""
        found = _PATH.search(path)
        return None if found is None else self._endpoints.get((method, bool(found[1]), found[2]))
