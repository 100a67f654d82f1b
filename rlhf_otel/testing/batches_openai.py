"""Files and batches of the fake OpenAI: each line of a batch takes a scripted reply, and is answered at once."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from rlhf_otel.testing import wire_media, wire_openai, wire_responses
from rlhf_otel.testing.reply import Reply, Request
from rlhf_otel.testing.wire import Endpoint, Json, dump, error_body

_PATH = re.compile(r"/v1/(files|batches)(?:/([^/]+))?(/content|/cancel)?$")
_ANSWERS: dict[str, Callable[[Reply, Request], Any]] = {
    "/v1/chat/completions": wire_openai.chat,
    "/v1/completions": wire_openai.completion,
    "/v1/embeddings": wire_openai.embeddings,
    "/v1/responses": wire_responses.finished,
    "/v1/moderations": wire_media.moderations,
}


class Batches:
    """The files that were uploaded or made, and the batches, by their ids."""

    def __init__(self, next_reply: Callable[[Request], Reply]) -> None:
        self._next_reply = next_reply
        self._files: dict[str, bytes] = {}
        self._batches: dict[str, Json] = {}

    def answer(self, request: Request) -> Reply | None:
        """What is answered to a request about files or batches; None for any other."""
        found = _PATH.search(request.path)
        if found is None:
            return None
        kind, name, what = found.groups()
        if kind == "files":
            return self._uploaded(request) if name is None else self._fetched(name, what, request)
        if name is None:
            name = f"batch_{request.number}"
            self._batches[name] = self._made(name, request)
            return _json({**self._batches[name], "status": "validating", "output_file_id": None, "error_file_id": None})
        if name not in self._batches:
            return Reply(status=404, error=f"No batch found with id '{name}'.")
        status = "cancelling" if what else "completed"
        return _json({**self._batches[name], "status": status})

    def _uploaded(self, request: Request) -> Reply:
        name = f"file-{request.number}"
        self._files[name] = request.files.get("file", b"")
        return _json(self._file(name, request))

    def _fetched(self, name: str, what: str | None, request: Request) -> Reply:
        if name not in self._files:
            return Reply(status=404, error=f"No such File object: {name}")
        if what is None:
            return _json(self._file(name, request))
        return Reply(raw=self._files[name], headers={"content-type": "application/octet-stream"})

    def _file(self, name: str, request: Request) -> Json:
        purpose = request.body.get("purpose", "batch")
        return {"id": name, "object": "file", "bytes": len(self._files[name]), "created_at": int(request.time),
                "filename": "lines.jsonl", "purpose": purpose, "status": "processed"}  # fmt: skip

    def _made(self, name: str, request: Request) -> Json:
        asked = [json.loads(line) for line in self._files[request.body["input_file_id"]].splitlines()]
        answers = [self._answer(one, place, request) for place, one in enumerate(asked, start=1)]
        written: Json = {}
        for kind, wanted in (("output", True), ("error", False)):
            lines = [dump(line) + b"\n" for line, good in answers if good is wanted]
            written[f"{kind}_file_id"] = f"file-{name}-{kind}" if lines else None
            self._files[f"file-{name}-{kind}"] = b"".join(lines)
        good = sum(one for _, one in answers)
        return {
            "id": name, "object": "batch", "endpoint": request.body["endpoint"], "errors": None,
            "input_file_id": request.body["input_file_id"], "completion_window": "24h",
            "created_at": int(request.time), **written, "metadata": None,
            "request_counts": {"total": len(answers), "completed": good, "failed": len(answers) - good},
        }  # fmt: skip

    def _answer(self, asked: Json, place: int, request: Request) -> tuple[Json, bool]:
        """A line of the output, or one of the errors."""
        single = dataclasses.replace(request, body=asked["body"], path=asked["url"])
        reply = self._next_reply(single)
        line: Json = {"id": f"batch_req_{place}", "custom_id": asked["custom_id"], "response": None, "error": None}
        if reply.finish_reason == "expired":
            expired = {"code": "batch_expired", "message": "This request could not be executed in time."}
            return {**line, "error": expired}, False
        status = reply.status
        named = dataclasses.replace(reply, id=reply.id or f"answer-{request.number}-{place}")
        body = error_body("openai", reply, request) if status >= 400 else _ANSWERS[asked["url"]](named, single)
        line["response"] = {"status_code": status, "request_id": f"req_{place}", "body": body}
        return line, status < 400


def _json(value: Json) -> Reply:
    return Reply(raw=dump(value))


def _elsewhere(reply: Reply, request: Request) -> Json:
    raise AssertionError("files and batches are answered from what came before")


def _endpoints() -> Iterator[Endpoint]:
    for method, path in (("POST", "/files"), ("GET", "/files/{id}"), ("GET", "/files/{id}/content"),
                         ("POST", "/batches"), ("GET", "/batches/{id}"), ("POST", "/batches/{id}/cancel")):  # fmt: skip
        yield Endpoint(method=method, path=path, plain=_elsewhere, scripted=False)


ENDPOINTS = tuple(_endpoints())
