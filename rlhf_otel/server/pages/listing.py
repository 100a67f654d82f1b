"""Which calls somebody asks for, in the words of a URL, and the page of them that is found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from rlhf_otel.server.answers import BAD_DATA, NOT_FOUND, Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

    from rlhf_otel.records import Feedback, Interaction
    from rlhf_otel.store import Store

MOST = 200
_FLAGS = {"true": True, "false": False}
_CURSOR = re.compile(r"(\d{1,19})-([0-9a-f]{16})")
_SPAN_ID, _TRACE_ID = re.compile(r"[0-9a-f]{16}"), re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Filters:
    """What somebody asks for; None where they do not care.

    Attributes:
        session: of this session.
        model: this model was requested or answered.
        provider: of this provider.
        service: from the service of this name.
        status: unset, ok or error.
        has_feedback: whether feedback counts on it.
        before: goes on where a page ended: the cursor that came with it.
        limit: at most so many.
    """

    session: str | None = None
    model: str | None = None
    provider: str | None = None
    service: str | None = None
    status: str | None = None
    has_feedback: bool | None = None
    before: str | None = None
    limit: int = 50

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Filters:
        """The filters in the query of a URL.

        Raises:
            Refusal: one of them cannot be.
        """
        known = {each.name for each in fields(cls)}
        if unknown := sorted(given.keys() - known):
            raise Refusal(BAD_DATA, f"there is no filter {unknown[0][:40]!r}; there are {', '.join(sorted(known))}")
        told: dict[str, Any] = dict(given)
        if "has_feedback" in told:
            told["has_feedback"] = _one_of(told, "has_feedback", _FLAGS)
        if "status" in told:
            _one_of(told, "status", dict.fromkeys(("unset", "ok", "error")))
        if "before" in told and not _CURSOR.fullmatch(told["before"]):
            raise Refusal(BAD_DATA, "before is the cursor that came with a page")
        if "limit" in told:
            told["limit"] = limit_of(told["limit"])
        return cls(**told)

    def query(self, without: Sequence[str] = (), **changed: Any) -> str:
        """The same as the query of a URL, apart from what is `changed` or left out."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        told = {name: value for name, value in {**own, **changed}.items() if name not in without}
        default = {each.name: each.default for each in fields(self)}
        words = {True: "true", False: "false"}
        return urlencode({
            name: words[value] if isinstance(value, bool) else value
            for name, value in told.items() if value != default[name]
        })  # fmt: skip


class Listed(NamedTuple):
    """A page of calls.

    Attributes:
        calls: the newest first, each with the feedback that counts on it.
        next: the cursor that goes on behind them; empty where that was all.
    """

    calls: list[tuple[Interaction, list[Feedback]]]
    next: str


def found(store: Store, filters: Filters) -> Listed:
    """The page of calls that somebody asks for."""
    page = list(islice(_matching(store, filters), filters.limit + 1))
    feedback = store.feedback_on(page[: filters.limit])
    calls = [(one, feedback[one.span_id]) for one in page[: filters.limit]]
    is_all = len(page) <= filters.limit or not calls
    return Listed(calls, "" if is_all else f"{calls[-1][0].start_ns}-{calls[-1][0].span_id}")


def _matching(store: Store, filters: Filters) -> Iterator[Interaction]:
    """The calls behind the cursor. Those that began in the same moment are told apart by where it left off."""
    cursor = _CURSOR.fullmatch(filters.before or "")
    until_ns = int(cursor[1]) + 1 if cursor else None
    calls = store.interactions(
        until_ns=until_ns if until_ns is None or until_ns < 2**63 else None,
        session=filters.session, model=filters.model, provider=filters.provider, service=filters.service,
        status=filters.status, has_feedback=filters.has_feedback,
    )  # fmt: skip
    if cursor is None:
        yield from calls
        return
    has_passed = False
    for one in calls:
        if one.start_ns < int(cursor[1]) or has_passed:
            yield one
        has_passed = has_passed or one.span_id == cursor[2]


def call_at(store: Store, request: Request) -> Interaction:
    """The call that a URL names.

    Raises:
        Refusal: there is none.
    """
    span_id, trace_id = request.path_params["span_id"], request.query_params.get("trace_id")
    is_id = _SPAN_ID.fullmatch(span_id) and (trace_id is None or _TRACE_ID.fullmatch(trace_id))
    call = store.interaction(span_id, trace_id) if is_id else None
    if call is None:
        raise Refusal(NOT_FOUND, "there is no such call")
    return call


def limit_of(text: str) -> int:
    """How many to list.

    Raises:
        Refusal: nobody may have so many.
    """
    if not re.fullmatch(r"\d{1,4}", text, re.ASCII) or not 0 < int(text) <= MOST:
        raise Refusal(BAD_DATA, f"limit is a number from 1 to {MOST}")
    return int(text)


def _one_of(told: Mapping[str, str], name: str, words: Mapping[str, Any]) -> Any:
    if told[name] not in words:
        raise Refusal(BAD_DATA, f"{name} is one of {', '.join(words)}")
    return words[told[name]]
