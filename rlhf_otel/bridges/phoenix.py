"""Annotations in Arize Phoenix: `POST /v1/span_annotations`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from rlhf_otel.bridges.http import Api, BackendError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rlhf_otel.bridges.annotations import Annotation

BATCH = 100
_NOTE = "note"
"""A name that Phoenix keeps for its own notes: it answers 200 to such an annotation, and drops it."""


class Phoenix:
    """One project of a Phoenix.

    Args:
        url: of its web page.
        key: an API key, where it asks for one.
        project: from which annotations that are taken back are removed.
    """

    name = "phoenix"

    def __init__(self, url: str, key: str | None = None, project: str = "default") -> None:
        self._api = Api(url, {"authorization": f"Bearer {key}"} if key else {})
        self._project = project
        self.place = f"{self._api.url} {project}"

    def put(self, annotations: Sequence[Annotation]) -> Iterator[list[str]]:
        """Writes them, those it has already once more. Yields the ids that it has, batch by batch.

        The answer is waited for (`sync`): without that Phoenix says yes to what it has only put into a queue in
        memory, spans that it has never heard of included.

        Raises:
            BackendError: see there.
        """
        for start in range(0, len(annotations), BATCH):
            batch = annotations[start : start + BATCH]
            status, said = self._post(batch)
            if status == 404:
                batch = self._known(batch, said)
                if batch and self._post(batch)[0] == 404:
                    batch = []  # one of them went meanwhile; the next push will tell
            yield [each.id for each in batch]

    def remove(self, ids: Sequence[str]) -> Iterator[str]:
        """Deletes them. Yields each id when it is gone, or was never there."""
        where = f"/v1/projects/{quote(self._project, safe='')}/span_annotations"
        for each in ids:
            self._api.send("DELETE", f"{where}?{urlencode({'identifier': each, 'delete_all': 'true'})}")
            yield each

    def _post(self, batch: Sequence[Annotation]) -> tuple[int, Any]:
        body = {"data": [_body(each) for each in batch]}
        return self._api.send("POST", "/v1/span_annotations?sync=true", body, may_be=(404,))

    def _known(self, batch: Sequence[Annotation], said: Any) -> list[Annotation]:
        """Those on spans that it has: it names the others where one is missing, and takes none of the batch."""
        text = str(said)
        known = [each for each in batch if each.span_id not in text]
        if len(known) == len(batch):
            raise BackendError(f"{self._api.url} knows no span annotations (404); is that a Phoenix?")
        return known


def _body(annotation: Annotation) -> dict[str, Any]:
    result = {"label": annotation.label, "score": annotation.score, "explanation": annotation.explanation}
    return {
        "span_id": annotation.span_id,
        "name": f"rlhf.{_NOTE}" if annotation.name == _NOTE else annotation.name,
        "annotator_kind": annotation.annotator_kind,
        "result": {name: value for name, value in result.items() if value is not None},
        "metadata": dict(annotation.metadata),
        "identifier": annotation.id,
    }
