"""What is behind the endpoint, whatever server is in front of it: a request in, feedback and a response out.

Nothing that comes back tells whether a call exists, and nothing that came in is trusted before it is checked: a token
is proof for one call, its rater and its names; anything else needs the application's own `authorize`.
"""

from __future__ import annotations

import dataclasses
import json
import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlhf_otel import hooks
from rlhf_otel.feedback import build
from rlhf_otel.feedback.checks import FeedbackError, NotPermitted
from rlhf_otel.keys import Key
from rlhf_otel.records import Feedback
from rlhf_otel.token import Claims, InvalidToken, verify
from rlhf_otel.web import openapi
from rlhf_otel.web.limits import Rates

MOST_BYTES = 16_384
MOST_COMMENT_BYTES = 4096
MOST_AT_ONCE = 100
_PATH = re.compile(r".*?/v1/feedback(?:/(?P<id>[^/]+))?/?")
_TYPES = ("", "application/json", "text/plain")
_TARGET = ("span_id", "trace_id", "response_id", "message", "session", "turn")
_PLAIN = ("name", "label", "comment", "step", "range", "quote", "metadata")
_TRUSTED = ("source", "annotator_kind")
_OWN = ("token", "value", "scale", "kind", "signal", "correction", "rater", "id")
_TEXTS = ("name", "label", "rater", "quote", "comment", "correction", "message", "session", "response_id")
FIELDS = frozenset({*_OWN, *_TARGET, *_PLAIN, *_TRUSTED})
_CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "POST, PUT, DELETE, GET, OPTIONS",
    "access-control-allow-headers": "content-type, authorization, traceparent, tracestate, baggage",
    "access-control-expose-headers": "retry-after",
    "access-control-max-age": "86400",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}
"""On every response. No cookie is ever read, so that any origin may send what its token proves."""


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request; `path` is decoded, and the names of `headers` are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    client: str | None = None

    @property
    def bearer(self) -> str | None:
        """What the `Authorization` header has behind `Bearer`."""
        kind, _, secret = self.headers.get("authorization", "").partition(" ")
        return secret.strip() if kind.lower() == "bearer" else None


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response: JSON, or nothing."""

    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The content as it is sent."""
        return b"" if self.content is None else json.dumps(self.content, separators=(",", ":")).encode()

    @property
    def sent(self) -> tuple[dict[str, str], bytes]:
        """Headers and body as they are sent."""
        body = self.body
        kind = {} if self.content is None else {"content-type": "application/json"}
        return {**_CORS, **kind, "content-length": str(len(body)), **self.headers}, body


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """A request that is not taken."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        content = {"error": {"code": code, "message": message}}
        self.response = Response(status, content, {name.replace("_", "-"): value for name, value in headers.items()})


Take = Callable[[Sequence[Feedback]], Any]
"""Takes feedback that was let in; may return an awaitable where the server is asynchronous."""
Authorize = Callable[[Request], "str | bool | None"]
"""Says who asks, for feedback without a token: the rater, True for anybody, None or False for nobody."""


class Door:
    """Lets feedback in.

    Args:
        take: where it goes; by default where the verbs of `rlhf_otel.feedback` send it.
        key: the secret of the tokens, or several; by default that of this installation.
        authorize: lets requests in that name their target by an id; by default only a token does.
        per_token: writes a minute with one token.
        per_address: writes a minute from one address.
        per_minute: writes a minute in all; 0 for no limit.
    """

    def __init__(
        self,
        *,
        take: Take | None = None,
        key: Key | None = None,
        authorize: Authorize | None = None,
        per_token: int = 20,
        per_address: int = 60,
        per_minute: int = 0,
    ) -> None:
        self.take = take or _send
        self._key, self._authorize = key, authorize
        self._per_token, self._per_address, self._per_minute = per_token, per_address, per_minute
        self._rates = Rates()

    @staticmethod
    def is_for(path: str) -> bool:
        """Whether a path is one of the endpoint's, wherever it is mounted."""
        return _PATH.fullmatch(path) is not None

    def enter(self, request: Request) -> tuple[list[Feedback], Response]:
        """The feedback in a request, and the response once that is taken. Raises nothing."""
        try:
            return self._enter(request)
        except Refusal as refusal:
            return [], refusal.response
        except Exception as error:  # noqa: BLE001 - whatever somebody sends, the host application goes on
            hooks.count("faults")
            hooks.logger.debug("the feedback endpoint", exc_info=error)
            return [], Refusal(500, "internal", "something went wrong").response

    def _enter(self, request: Request) -> tuple[list[Feedback], Response]:
        match = _PATH.fullmatch(request.path)
        if match is None:
            raise Refusal(404, "not_found", "there is POST /v1/feedback, and PUT and DELETE /v1/feedback/{id}")
        named = match["id"]
        if request.method == "OPTIONS":
            return [], Response(204)
        if request.method == "GET" and named == "openapi.json":
            return [], Response(200, openapi.document())
        allowed = ("POST",) if named is None else ("PUT", "DELETE")
        if request.method not in allowed:
            raise Refusal(405, "method", f"{' or '.join(allowed)} is expected here", allow=", ".join(allowed))
        self._pass("address", request.client, self._per_address)
        given = _parsed(request)
        if isinstance(given, list):
            return self._many(request, given)
        feedback = self._one(request, given, named)
        shown = feedback.retracts or (feedback.id if named is None else _without_revision(feedback.id))
        return [feedback], Response(202, {"id": shown, "status": "accepted"})

    def _many(self, request: Request, given: list[Any]) -> tuple[list[Feedback], Response]:
        """Each of several for itself: what is wrong with one does not keep out the others."""
        if request.method != "POST" or not 0 < len(given) <= MOST_AT_ONCE:
            raise Refusal(400, "invalid", f"a batch is POSTed, and has 1 to {MOST_AT_ONCE} items")
        taken: list[Feedback] = []
        results: list[Any] = []
        for item in given:
            try:
                taken.append(self._one(request, item, None))
                results.append({"id": taken[-1].id, "status": "accepted"})
            except Refusal as refusal:
                results.append(refusal.response.content)
        return taken, Response(202, {"results": results})

    def _one(self, request: Request, given: Any, named: str | None) -> Feedback:
        if not isinstance(given, dict):
            raise Refusal(400, "invalid", "a JSON object is expected")
        if unknown := given.keys() - FIELDS:
            raise Refusal(400, "invalid", f"there is no field {sorted(unknown)[0][:40]!r}")
        given = {name: value for name, value in given.items() if value is not None}
        if wrong := [name for name in _TEXTS if not isinstance(given.get(name, ""), str)]:
            raise Refusal(400, "invalid", f"{wrong[0]} is text")
        given.setdefault("token", request.bearer if (request.bearer or "").startswith("rlt_") else None)
        fields = self._proved(request, given)
        self._pass("all", "all", self._per_minute)
        try:
            return _made(request.method, given, fields, named)
        except NotPermitted as error:
            raise Refusal(403, "forbidden", str(error)) from None
        except FeedbackError as error:
            raise Refusal(400, "invalid", str(error)) from None

    def _proved(self, request: Request, given: Mapping[str, Any]) -> dict[str, Any]:
        """The target, and by what right it is rated."""
        if given["token"] is not None:
            try:
                claims = verify(given["token"], self._key)
            except InvalidToken as error:
                raise Refusal(401, error.reason, str(error), www_authenticate="Bearer") from None
            _check_claims(claims, given)
            self._pass("token", (claims.span_id, claims.rater, claims.names), self._per_token)
            return {"target": claims.handle, "claims": claims, "rater": given.get("rater")}
        who = self._authorize(request) if self._authorize is not None else None
        if not who:
            raise Refusal(401, "token", "a token is expected, in the body or as Bearer", www_authenticate="Bearer")
        fields = {name: given[name] for name in (*_TARGET, *_TRUSTED) if name in given}
        return {"target": None, "rater": who if isinstance(who, str) else given.get("rater"), **fields}

    def _pass(self, what: str, who: Any, most: int) -> None:
        if most and who is not None and (wait := self._rates.wait((what, who), most)):
            raise Refusal(429, "too_many", f"too many writes; try again in {wait} s", retry_after=str(wait))


def _check_claims(claims: Claims, given: Mapping[str, Any]) -> None:
    """A token names its call, and speaks for an end user: a request cannot say otherwise."""
    named = {"span_id": claims.span_id, "trace_id": claims.trace_id}
    if wrong := [name for name in (*_TARGET, *_TRUSTED) if name in given and given[name] != named.get(name)]:
        raise Refusal(403, "forbidden", f"the token does not permit {wrong[0]}")


def _parsed(request: Request) -> Any:
    """The body, one object or a list of them."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _TYPES:
        raise Refusal(415, "type", "the Content-Type application/json or text/plain is expected")
    if len(request.body) > MOST_BYTES:
        raise too_large()
    if not request.body and request.method == "DELETE":
        return {}
    try:
        given = _JSON.decode(request.body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Refusal(400, "invalid", "the body is not JSON in UTF-8") from None
    return given["feedback"] if isinstance(given, dict) and isinstance(given.get("feedback"), list) else given


def too_large() -> Refusal:
    """The answer to a body beyond the limit, which nobody has to read to its end."""
    return Refusal(413, "too_large", f"a request has at most {MOST_BYTES} bytes")


def _no_number(word: str) -> Any:
    raise ValueError(word)


_JSON = json.JSONDecoder(parse_constant=_no_number)


def _made(method: str, given: Mapping[str, Any], fields: dict[str, Any], named: str | None) -> Feedback:
    """The feedback that a checked request gives, changes or takes back."""
    now = time.time_ns()
    target, claims = fields.pop("target"), fields.get("claims")
    own = _own_id(named if named is not None else given.get("id"), claims)
    if method == "DELETE":
        retraction = build.retracted(own, rater=fields["rater"], claims=claims and claims._replace(names=()))
        ids = {"trace_id": claims.trace_id, "span_id": claims.span_id} if claims is not None else {}
        return dataclasses.replace(retraction, id=f"{retraction.id}#{now}", time_ns=now, **ids)
    comment = given.get("comment")
    if isinstance(comment, str) and len(comment.encode("utf-8", "surrogatepass")) > MOST_COMMENT_BYTES:
        raise FeedbackError(f"a comment has at most {MOST_COMMENT_BYTES} bytes")
    plain = {name: given[name] for name in _PLAIN if name in given}
    fields |= {**plain, "id": own if method == "POST" else f"{own}#{now}", "time_ns": now}
    if "signal" in given:
        return build.signalled(
            target, given["signal"], value=given.get("value"), text=given.get("correction"), **fields
        )
    if "correction" in given and given.get("kind", "correction") == "correction" and "value" not in given:
        return build.corrected(target, given["correction"], **fields)
    if "correction" in given:
        raise FeedbackError("a correction is sent for itself, or with the signal edit")
    return build.recorded(target, given.get("value"), kind=given.get("kind"), scale=given.get("scale"), **fields)


def _own_id(given: Any, claims: Claims | None) -> str:
    """The id of a feedback: behind what the token proves, so that nobody writes over the feedback of others."""
    if given is not None and not (isinstance(given, str) and 0 < len(given) <= 200):
        raise FeedbackError("an id is text of 1 to 200 characters")
    if claims is None:
        return given or str(uuid.uuid4())
    space = f"{claims.span_id}:{claims.rater or 'any'}:"
    return given if given and given.startswith(space) else space + (given or str(uuid.uuid4()))


def _without_revision(feedback_id: str) -> str:
    return re.sub(r"#\d{18,20}$", "", feedback_id)


def _send(feedback: Sequence[Feedback]) -> None:
    """On its way, where the verbs of `rlhf_otel.feedback` send theirs. What is known of the call is not looked up."""
    from rlhf_otel.feedback.api import taking

    telemetry = taking()
    if telemetry is None:
        raise FeedbackError("feedback is switched off")
    for one in feedback:
        telemetry.emit(one, told=False)
