"""Batches of openai: made of a file that is uploaded, answered in files that are fetched; each answer is a call.

The files themselves are no calls. What is uploaded for a batch is kept, within a bound, until the batch is made; a file
that is fetched is read along with as long as it looks like the answers of a batch.

Sources: `resources/batches.py` and `resources/files.py` of openai 3.57 and their types; the lines are described in
`types/batch.py` and the API's guide to batches.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation import batches, uploads
from rlhf_otel.instrumentation.bodies import LineReader, member
from rlhf_otel.instrumentation.providers.plain import Plain

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.endpoint import Endpoint

MOST_FILES = 1000
"""So many files are known by the batch that they belong to."""
_BATCH = re.compile(r"/batches/([^/?]+)")
_FILE = re.compile(r"/files/([^/?]+)")
_FAILED = 400
_HEAD = 4096
"""The mark of an answer is looked for in so much of a file."""


class _Files:
    """Which file belongs to which batch, and what was uploaded for batches that are still to be made."""

    def __init__(self) -> None:
        self._batch_of: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._uploaded: OrderedDict[str, bytes] = OrderedDict()

    def belongs(self, file: Any, batch: str, asked: Any) -> None:
        """Notes that `batch`, which was made of the file `asked`, has answered into `file`."""
        if isinstance(file, str):
            self._batch_of[file] = (batch, str(asked))
            if len(self._batch_of) > MOST_FILES:
                self._batch_of.popitem(last=False)

    def batch_of(self, file: str) -> tuple[str, str]:
        """The batch that has answered into `file`, and the file that asked; `file` itself where that is not known."""
        return self._batch_of.get(file, (file, ""))

    def keep(self, file: str, content: bytes) -> None:
        """Keeps what was uploaded."""
        self._uploaded[file] = content
        while sum(map(len, self._uploaded.values())) > batches.MOST_BYTES:
            self._uploaded.popitem(last=False)

    def questions(self, file: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Each question of an uploaded file, by the application's id for it; the file is not needed again."""
        for line in self._uploaded.pop(file, b"").splitlines():
            try:
                question = json.loads(line)
            except ValueError:
                continue
            if isinstance(question, dict) and isinstance(question.get("body"), dict):
                yield str(question.get("custom_id")), question["body"]


files = _Files()


class _Batch(Plain):
    """Anything that answers with a batch."""

    def __init__(self, operation: str) -> None:
        self.operation = operation

    def read_options(self, call: Call, options: Any) -> None:
        """Reads the id from the path: an answer that is an error does not say it."""
        if found := _BATCH.search(str(options.url)):
            call.attributes[semconv.BATCH_ID] = found[1]

    def response(self, call: Call, result: Any) -> None:
        """Reads how far it is, and where its answers are."""
        call.attributes[semconv.BATCH_ID] = result.id
        if result.status:
            call.attributes[semconv.BATCH_STATUS] = result.status
        if (counts := member(result, "request_counts")) is not None and counts.total:
            call.attributes[semconv.BATCH_SIZE] = counts.total
        for file in (result.output_file_id, result.error_file_id):
            files.belongs(file, result.id, result.input_file_id)


class _Upload(Plain):
    """`POST /files`."""

    operation = "upload"
    unrecorded = True

    def read_options(self, call: Call, options: Any) -> None:
        """Takes what is uploaded for a batch."""
        if uploads.fields(options).get("purpose") == "batch":
            contents = (uploads.content_of(file, batches.MOST_BYTES) for _, file in uploads.files(options))
            call.state = next(contents, None)

    def response(self, call: Call, result: Any) -> None:
        """Keeps it by the name that it has got."""
        if call.state is not None:
            files.keep(result.id, call.state)


class _Answers(LineReader):
    """Takes the lines of a file that looks like the answers of a batch, and nothing of any other."""

    def __init__(self, response: Any) -> None:
        super().__init__(response)
        self._head: bytes | None = b""

    def add(self, call: Call, decoded: bytes) -> None:
        """Reads what has come, once it is known what it is."""
        if self._head is None:
            super().add(call, decoded)
        elif self._looks_like(self._head):
            self._head += decoded
            if b'"custom_id"' in self._head[:_HEAD]:
                head, self._head = self._head, None
                super().add(call, head)

    @staticmethod
    def _looks_like(head: bytes) -> bool:
        return not head or (head.startswith(b"{") and len(head) < _HEAD)


class _Content(Plain):
    """`GET /files/{id}/content`."""

    operation = "download"
    unrecorded = True
    reader = _Answers

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        by_kind = {"chat.completion": "/chat/completions", "text_completion": "/completions", "response": "/responses"}
        self._by_kind = {kind: endpoints[path] for kind, path in by_kind.items()}
        self._lists = {"data": endpoints["/embeddings"], "results": endpoints["/moderations"]}

    def read_options(self, call: Call, options: Any) -> None:
        """Reads which file it is, and what was asked in the batch that it answers."""
        if (found := _FILE.search(str(options.url))) is None:
            return
        call.state, asked = files.batch_of(found[1])
        for custom_id, question in files.questions(asked):
            batches.memory.keep(call.state, custom_id, question.get("model"), json.dumps(question).encode())

    def response(self, call: Call, result: Any) -> None:
        """Reads a file that is all there."""
        reader = _Answers(result.response)
        reader.add(call, result.response.content)
        reader.finish(call)

    def line(self, call: Call, value: Any) -> None:
        """Records one answer as the call that it is, or as the error."""
        answer = member(member(value, "response"), "body")
        failure = _failure(value, answer)
        if value.custom_id is None or (answer is None and failure is None):
            return
        endpoint = self._by_kind["chat.completion"] if failure else self._endpoint(answer)
        if endpoint is not None:
            batches.record_answer(
                call, endpoint, batch=call.state, custom_id=str(value.custom_id),
                answer=None if failure else answer, failure=failure,
            )  # fmt: skip

    def _endpoint(self, answer: Any) -> Endpoint | None:
        known = self._by_kind.get(answer.object)
        return known or next((found for name, found in self._lists.items() if getattr(answer, name, None)), None)


def _failure(value: Any, answer: Any) -> tuple[str, str | None] | None:
    """What went wrong with one request of a batch."""
    status = getattr(value.response, "status_code", None)
    error = value.error or (member(answer, "error") if status is not None and status >= _FAILED else None)
    if error is None:
        return ("_OTHER", "") if status is not None and status >= _FAILED else None
    return str(error.code or error.type or "_OTHER"), str(error.message or "")


ENDPOINTS: Mapping[str, Endpoint] = {"/batches": _Batch(semconv.CREATE_BATCH), "/files": _Upload()}


def templates(endpoints: Mapping[str, Endpoint]) -> Mapping[tuple[str, str], Endpoint]:
    """The readers of what has an id in its path; a batch may be of any of `endpoints`."""
    return {
        ("GET", "/batches/{}"): _Batch(semconv.FETCH_BATCH),
        ("POST", "/batches/{}/cancel"): _Batch(semconv.CANCEL_BATCH),
        ("GET", "/files/{}/content"): _Content(endpoints),
    }
