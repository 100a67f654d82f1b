"""What was understood of a feedback, said back to whoever gave it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlhf_otel.cli import marks
from rlhf_otel.cli.common import one_line, reading, shortened
from rlhf_otel.records import Feedback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlhf_otel.config import Config
    from rlhf_otel.records import Interaction
    from rlhf_otel.store import Store

LONGEST_PROMPT = 60


def feedback_of(fields: Mapping[str, Any]) -> Feedback:
    """The feedback that the verbs make of these arguments, as far as it can be told without its call."""
    given = dict(fields)
    kind = given.pop("kind", None) or _kind(given)
    name = given.pop("name", None) or (kind if kind in ("comment", "correction") else marks.DEFAULT_NAME)
    return Feedback(id=given.pop("id", ""), name=name, kind=kind, time_ns=0, **given)


def _kind(given: Mapping[str, Any]) -> Any:
    if "correction" in given:
        return "correction"
    return "binary" if "value" in given else "comment"


def words(feedback: Feedback) -> str:
    """👍, 4/5 💬, label "yes", ✎ correction: the feedback in a few words."""
    mark = marks.mark(feedback)
    if feedback.kind in ("comment", "correction"):
        return f"{mark} {feedback.kind}"
    if feedback.kind == "categorical":
        value = marks.given(feedback)
        return mark.replace(value, f'label "{value}"', 1) if feedback.name == marks.DEFAULT_NAME else mark
    return mark


def is_same(there: Feedback, fields: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Whether `there` says what these arguments say, of the same call."""
    meant = feedback_of(fields)
    said = ("name", "kind", "value", "scale", "comment", "correction", "rater", "source")
    target = {name: value for name, value in where.items() if value and getattr(there, name)}
    return all(getattr(there, name) == getattr(meant, name) for name in said) and all(
        getattr(there, name) == value for name, value in target.items()
    )


def about(store: Store, feedback: Feedback) -> str:
    """The call that a feedback is about, as the end of a sentence; empty where it is not in the store."""
    target = {"span_id": feedback.span_id, "trace_id": feedback.trace_id, "response_id": feedback.response_id}
    call = _call(store, target)
    return "" if call is None else f" on {_named(call)}"


def fate(ref: Any, path: str | None, config: Config) -> str:
    """What has become of a feedback."""
    if ref.status == "joined" and path is not None:
        with reading(path) as store:
            call = _call(store, ref.target)
        return "joined with its call" if call is None else f"joined with {_named(call)}"
    return {
        "joined": "joined with its call",
        "pending": f"is pending: its call is not in {path} yet; the two are joined when the call comes",
        "spooled": "kept on disk, and sent as soon as the endpoint answers",
        "sent": f"sent to {config.endpoint or 'the exporters that are configured'}",
    }.get(ref.status, str(ref.status))


def _call(store: Store, target: Mapping[str, Any]) -> Interaction | None:
    if target.get("span_id"):
        return store.interaction(target["span_id"], target.get("trace_id") or None)
    handle = store.find(response_id=target["response_id"]) if target.get("response_id") else None
    return None if handle is None else store.interaction(handle.span_id, handle.trace_id)


def _named(call: Interaction) -> str:
    from rlhf_otel.codec import prompt_text

    prompt = shortened(one_line(prompt_text(call)), LONGEST_PROMPT)
    return f'"{prompt}"' if prompt else f"the call {call.span_id}"
