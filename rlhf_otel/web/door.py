"""What is behind the endpoint, whatever server is in front of it: a request in, feedback and a response out.

Nothing that comes back tells whether a call exists, and nothing that came in is trusted before it is checked: a token
is proof for one call, its rater and its names; anything else needs the application's own `authorize`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rlhf_otel import hooks
from rlhf_otel.feedback.checks import FeedbackError, NotPermitted
from rlhf_otel.keys import Key
from rlhf_otel.records import Feedback
from rlhf_otel.token import Claims, InvalidToken, is_token, verify
from rlhf_otel.web import openapi, script
from rlhf_otel.web.limits import Rates
from rlhf_otel.web.made import FIELDS, TARGET, TEXTS, TRUSTED, Proof, answers_in, feedback_from, version_of
from rlhf_otel.web.requests import JSON, Refusal, Request, Response, parsed

MOST_AT_ONCE = 100
_PATH = re.compile(r".*?/v1/feedback(?:/(?P<id>[^/]+))?/?")

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
    def is_for(path: str, mount: str = "") -> bool:
        """Whether a path is one of the endpoint's, wherever that is, or the web component's right under `mount`."""
        return path == mount.rstrip("/") + script.PATH or _PATH.fullmatch(path) is not None

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
        if match is None and request.path.endswith(script.PATH):
            return [], _script(request)
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
        given = parsed(request)
        if isinstance(given, list) and (request.method != "POST" or not 0 < len(given) <= MOST_AT_ONCE):
            raise Refusal(400, "invalid", f"a batch is POSTed, and has 1 to {MOST_AT_ONCE} items")
        items = _with_tokens(given if isinstance(given, list) else [given], request.bearer)
        who = self._authorized(request, items)
        if who is None:
            self._pass("address", request.client, self._per_address)
        if isinstance(given, list):
            return self._many(items, who)
        feedback = self._one(request.method, items[0], who, named)
        shown = feedback.retracts or (feedback.id if named is None else version_of(feedback.id)[0])
        return [feedback], Response(202, {"id": shown, "status": "accepted"})

    def _many(self, items: Sequence[Any], who: Proof | None) -> tuple[list[Feedback], Response]:
        """Each of several for itself: what is wrong with one does not keep out the others."""
        taken: list[Feedback] = []
        results: list[Any] = []
        later: Mapping[str, str] = {}
        for item in items:
            try:
                taken.append(self._one("POST", item, who, None))
                results.append({"id": taken[-1].id, "status": "accepted"})
            except Refusal as refusal:
                results.append(refusal.response.content)
                later = refusal.response.headers if refusal.response.status == 429 else later
        return taken, Response(202, {"results": results}, later)

    def _one(self, method: str, given: Any, who: Proof | None, named: str | None) -> Feedback:
        if not isinstance(given, dict):
            raise Refusal(400, "invalid", "a JSON object is expected")
        if unknown := [name for name in given if name not in FIELDS]:
            raise Refusal(400, "invalid", f"there is no field {unknown[0][:40]!r}")
        if wrong := [name for name, value in given.items() if type(value) is not str and name in TEXTS]:
            raise Refusal(400, "invalid", f"{wrong[0]} is text")
        try:
            proof = self._proved(given, who)
            self._pass("all", "all", self._per_minute)
            return feedback_from(method, given, proof, named)
        except NotPermitted as error:
            raise Refusal(403, "forbidden", str(error)) from None
        except FeedbackError as error:
            raise Refusal(400, "invalid", str(error)) from None

    def _authorized(self, request: Request, items: Sequence[Any]) -> Proof | None:
        """What the application permits whoever sends something without a token; None where nobody asks for that.

        A page of another site can have a browser send its cookies along, by which the application may know who it is,
        but then neither a header of its own nor a body that says that it is JSON.
        """
        bearer = request.bearer
        if self._authorize is None or (all(map(_has_token, items)) and (bearer is None or is_token(bearer))):
            return None
        if request.method == "POST" and request.content_type != JSON and bearer is None:
            return None
        who = self._authorize(request)
        return Proof(rater=who if isinstance(who, str) else None) if who else None

    def _proved(self, given: Mapping[str, Any], who: Proof | None) -> Proof:
        """By what right something is said."""
        tokens = _tokens_in(given)
        if not tokens:
            if who is None:
                raise Refusal(401, "token", "a token is expected, in the body or as Bearer", www_authenticate="Bearer")
            return who
        claims = tuple(map(self._claims, tokens))
        if len(tokens) == 1:
            _check_claims(claims[0], given)
        elif wrong := [name for name in TRUSTED if name in given]:
            raise Refusal(403, "forbidden", f"the tokens do not permit {wrong[0]}")
        for one in claims:
            self._pass("token", (one.span_id, one.rater, one.names), self._per_token)
        return Proof(claims)

    def _claims(self, token: Any) -> Claims:
        try:
            return verify(token, self._key)
        except InvalidToken as error:
            raise Refusal(401, error.reason, str(error), www_authenticate="Bearer") from None

    def _pass(self, what: str, who: Any, most: int) -> None:
        if most and who is not None and (wait := self._rates.wait((what, who), most)):
            raise Refusal(429, "too_many", f"too many writes; try again in {wait} s", retry_after=str(wait))


def _with_tokens(items: Sequence[Any], bearer: str | None) -> list[Any]:
    """What was given, without what is null, each with the token of the header where it has none of its own."""
    found = [_without_null(item) if isinstance(item, dict) else item for item in items]
    if bearer is not None and is_token(bearer):
        found = [item if _has_token(item) else {**item, "token": bearer} for item in found]
    return found


def _without_null(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in item.items() if value is not None} if None in item.values() else item


def _has_token(item: Any) -> bool:
    """Whether something is proved by a token, if by anything."""
    if not isinstance(item, dict) or "token" in item:
        return True
    ranking = item.get("ranking")
    named = (item.get("chosen"), item.get("rejected"), *(ranking if isinstance(ranking, list) else ()))
    return any(isinstance(each, str) and is_token(each) for each in named)


def _tokens_in(given: Mapping[str, Any]) -> list[Any]:
    """The token in what was given, or those of the answers that it compares; none where ids name its calls.

    Raises:
        FeedbackError: some of the answers have a token and others have none, or there is one beside them.
    """
    answers = answers_in(given)
    if not answers:
        return [given["token"]] if "token" in given else []
    tokens = [answer for answer in answers if isinstance(answer, str) and is_token(answer)]
    if "token" in given or 0 < len(tokens) < len(answers):
        raise FeedbackError("answers are compared by a token for each of them, or by an id for each")
    return tokens


def _check_claims(claims: Claims, given: Mapping[str, Any]) -> None:
    """A token names its call, and speaks for an end user: a request cannot say otherwise."""
    named = {"span_id": claims.span_id, "trace_id": claims.trace_id}
    if wrong := [name for name in (*TARGET, *TRUSTED) if name in given and given[name] != named.get(name)]:
        raise Refusal(403, "forbidden", f"the token does not permit {wrong[0]}")


def _script(request: Request) -> Response:
    """The web component."""
    if request.method not in ("GET", "HEAD"):
        raise Refusal(405, "method", "GET is expected here", allow="GET, HEAD")
    return Response(*script.answer(request.headers))


def _send(feedback: Sequence[Feedback]) -> None:
    """On its way, where the verbs of `rlhf_otel.feedback` send theirs. What is known of the call is not looked up."""
    from rlhf_otel.feedback.api import taking

    telemetry = taking()
    if telemetry is None:
        raise FeedbackError("feedback is switched off")
    for one in feedback:
        telemetry.emit(one, told=False)
