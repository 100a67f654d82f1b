"""Annotations in Langfuse, which calls them scores: `POST /api/public/scores`."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from rlhf_otel.bridges.http import Api
from rlhf_otel.views import iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rlhf_otel.bridges.annotations import Annotation

LONGEST_TEXT = 500
"""Of a score that is a text. The whole of it is in the comment."""


class Langfuse:
    """One project of a Langfuse, which its keys name.

    Args:
        url: of Langfuse.
        public_key: the project's.
        secret_key: the project's.
    """

    name = "langfuse"

    def __init__(self, url: str, public_key: str, secret_key: str) -> None:
        basic = b64encode(f"{public_key}:{secret_key}".encode()).decode()
        self._api = Api(url, {"authorization": f"Basic {basic}"})
        self.place = f"{self._api.url} {public_key}"

    def put(self, annotations: Sequence[Annotation]) -> Iterator[list[str]]:
        """Writes them, those it has already once more. Yields the ids that it has, one by one.

        A score may come before its trace. One whose trace is not known has no place there and is left out.

        Raises:
            BackendError: see there.
        """
        for each in annotations:
            if each.trace_id:
                self._api.send("POST", "/api/public/scores", _body(each))
                yield [each.id]

    def remove(self, ids: Sequence[str]) -> Iterator[str]:
        """Deletes them. Yields each id when it is gone, or was never there."""
        for each in ids:
            self._api.send("DELETE", f"/api/public/scores/{each}", may_be=(404,))
            yield each


def _body(annotation: Annotation) -> dict[str, Any]:
    """Without a time of its own a score that is sent again would be another one."""
    body = {
        "id": annotation.id,
        "traceId": annotation.trace_id,
        "observationId": annotation.span_id,
        "name": annotation.name,
        "comment": annotation.explanation,
        "timestamp": iso(annotation.time_ns),
        "metadata": {**annotation.metadata, "annotator_kind": annotation.annotator_kind, "label": annotation.label},
        **_value(annotation),
    }
    return {name: value for name, value in body.items() if value is not None}


def _value(annotation: Annotation) -> dict[str, Any]:
    """The value with its type; the first that it has of: corrected answer, thumb, number, word, text."""
    if annotation.kind == "correction" and annotation.correction:
        return {"dataType": "CORRECTION", "value": annotation.correction}
    if annotation.kind == "binary" and annotation.score is not None:
        return {"dataType": "BOOLEAN", "value": int(annotation.score)}
    if annotation.score is not None:
        return {"dataType": "NUMERIC", "value": annotation.score}
    if annotation.label:
        return {"dataType": "CATEGORICAL", "value": annotation.label}
    return {"dataType": "TEXT", "value": (annotation.explanation or annotation.kind)[:LONGEST_TEXT]}
