"""Message batches of the fake provider: each request of a batch takes a scripted reply, and is answered at once."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from rlhf_otel.testing.reply import Reply, Request
from rlhf_otel.testing.wire import Endpoint, Json, dump, error_body
from rlhf_otel.testing.wire_anthropic import message

_PATH = re.compile(r"/messages/batches(?:/([^/]+))?(/results|/cancel)?$")
_KINDS = ("succeeded", "errored", "canceled", "expired")
_UNANSWERED = ("expired", "canceled")


class Batches:
    """What has been made so far, by the id of the batch: its results, and whether it was cancelled."""

    def __init__(self, next_reply: Callable[[Request], Reply]) -> None:
        self._next_reply = next_reply
        self._results: dict[str, list[Json]] = {}
        self._canceled: set[str] = set()

    def answer(self, request: Request) -> Reply | None:
        """What is answered to a request about batches; None for any other."""
        found = _PATH.search(request.path)
        if found is None:
            return None
        batch, what = found.groups()
        if batch is None:
            batch = f"msgbatch_{request.number}"
            asked = request.body.get("requests") or ()
            self._results[batch] = [self._result(one, place, request) for place, one in enumerate(asked, start=1)]
        if batch not in self._results:
            return Reply(status=404, error=f"batch {batch} not found")
        if what == "/results":
            lines = [dump(result) + b"\n" for result in self._results[batch]]
            return Reply(raw=b"".join(lines), headers={"content-type": "application/x-jsonl"})
        if what == "/cancel":
            self._canceled.add(batch)
        return Reply(raw=json.dumps(self._batch(batch, request)))

    def _result(self, asked: Mapping[str, Any], place: int, request: Request) -> Json:
        single = dataclasses.replace(request, body=asked.get("params") or {})
        reply = self._next_reply(single)
        if reply.finish_reason in _UNANSWERED:
            result: Json = {"type": reply.finish_reason}
        elif reply.status >= 400:
            result = {"type": "errored", "error": error_body("anthropic", reply, request)}
        else:
            named = dataclasses.replace(reply, id=reply.id or f"msg_{request.number}_{place}")
            result = {"type": "succeeded", "message": message(named, single)}
        return {"custom_id": asked.get("custom_id"), "result": result}

    def _batch(self, batch: str, request: Request) -> Json:
        kinds = [result["result"]["type"] for result in self._results[batch]]
        at = "2026-01-01T00:00:00Z"
        url = f"http://{request.headers['host']}/v1/messages/batches/{batch}/results"
        return {
            "id": batch,
            "type": "message_batch",
            "processing_status": "canceling" if batch in self._canceled else "ended",
            "request_counts": {"processing": 0, **{kind: kinds.count(kind) for kind in _KINDS}},
            "created_at": at,
            "expires_at": at,
            "ended_at": at,
            "archived_at": None,
            "cancel_initiated_at": at if batch in self._canceled else None,
            "results_url": url,
        }


def _answered_elsewhere(reply: Reply, request: Request) -> Json:
    raise AssertionError("batches are answered from what was asked before")


ENDPOINTS = tuple(
    Endpoint(method=method, path=f"/messages/batches{path}", plain=_answered_elsewhere, dialect="anthropic",
             scripted=False)
    for method, path in (("POST", ""), ("GET", "/{id}"), ("POST", "/{id}/cancel"), ("GET", "/{id}/results"))
)  # fmt: skip
