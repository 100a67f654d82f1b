"""The annotation APIs of Phoenix and of Langfuse on loopback, as far as `rlhf-otel push` goes, with their answers."""

from __future__ import annotations

import json
from urllib.parse import unquote

from rlhf_otel.testing.loopback import Exchange, LoopbackServer


class AnnotationApi:
    """A backend that keeps annotations; `kept` has them by id, `requests` each request as method and path.

    Attributes:
        refusal: a status to answer everything with.
        headers: of the last request.
    """

    def __init__(self) -> None:
        self.kept: dict[str, dict] = {}
        self.requests: list[str] = []
        self.headers: dict[str, str] = {}
        self.refusal = 0
        self._server = LoopbackServer(self._answer)
        self._server.start()
        self.url = f"http://127.0.0.1:{self._server.port}"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._server.stop()

    def by_name(self) -> dict[str, dict]:
        """The annotations by their name, of which there is one each."""
        return {each["name"]: each for each in self.kept.values()}

    def _answer(self, exchange: Exchange) -> None:
        self.requests.append(f"{exchange.method} {exchange.path}")
        self.headers = dict(exchange.headers)
        status, said = (self.refusal, {"detail": "no"}) if self.refusal else self.handle(exchange)
        text = "" if said is None else said if isinstance(said, str) else json.dumps(said)
        exchange.respond(status, {"content-type": "application/json"}, text.encode())

    def handle(self, exchange: Exchange) -> tuple[int, object]:
        """Status and body of the answer."""
        raise NotImplementedError


class PhoenixApi(AnnotationApi):
    """Knows the spans in `spans`, and refuses a batch with another one whole, which it then names."""

    def __init__(self, *spans: str) -> None:
        self.spans = set(spans)
        super().__init__()

    def handle(self, exchange: Exchange) -> tuple[int, object]:
        if exchange.method == "DELETE" and exchange.path == "/v1/projects/default/span_annotations":
            self.kept.pop(exchange.query["identifier"], None)
            return (204, None) if exchange.query["delete_all"] == "true" else (422, {"detail": "unbounded"})
        if exchange.path != "/v1/span_annotations" or exchange.query != {"sync": "true"}:
            return 404, {"detail": "Not Found"}
        batch = json.loads(exchange.body)["data"]
        if missing := {each["span_id"] for each in batch} - self.spans:
            return 404, f"Spans with IDs {', '.join(sorted(missing))} do not exist."
        self.kept.update({each["identifier"]: each for each in batch})
        return 200, {"data": [{"id": each["identifier"]} for each in batch]}


class LangfuseApi(AnnotationApi):
    """Takes a score again as the same one only with the same id and time."""

    def handle(self, exchange: Exchange) -> tuple[int, object]:
        if exchange.method == "DELETE":
            found = self.kept.pop(unquote(exchange.path.rpartition("/")[2]), None)
            return (200, {"message": "ok"}) if found else (404, {"message": "no such score"})
        score = json.loads(exchange.body)
        before = self.kept.get(score["id"])
        assert before is None or before["timestamp"] == score["timestamp"]
        self.kept[score["id"]] = score
        return 200, {"id": score["id"]}
