"""The endpoint in OpenAPI's words: `GET /v1/feedback/openapi.json`."""

from __future__ import annotations

from typing import Any

from rlhf_otel._version import __version__
from rlhf_otel.records import FEEDBACK_KINDS
from rlhf_otel.setting_values import SIGNALS

_KINDS = [kind for kind in FEEDBACK_KINDS if kind in ("binary", "rating", "score", "categorical", "comment", "custom")]
_TEXT = {"type": "string"}


def _field(description: str, **schema: Any) -> dict[str, Any]:
    return {"description": description, **(schema or _TEXT)}


def _properties() -> dict[str, Any]:
    return {
        "token": _field("The signed token of the call. Else as `Authorization: Bearer`."),
        "span_id": _field("The call, for those who need no token; with `trace_id` where known.", type="string",
                          pattern="^[0-9a-fA-F]{16}$"),
        "trace_id": _field("Its trace.", type="string", pattern="^[0-9a-fA-F]{32}$"),
        "response_id": _field("The call by the provider's id of the response."),
        "message": _field("The call by the application's own id of the answer."),
        "session": _field("The call by its conversation: the newest, or that in the place `turn`."),
        "turn": _field("Which answer of the session, 0 for the first.", type="integer", minimum=0),
        "value": {"description": "true or false for a thumb, a number for a score or rating, a word for a category."},
        "scale": _field("Lowest and highest value of a rating.", type="array", items={"type": "number"}, minItems=2,
                        maxItems=2),
        "kind": _field("Told by the value where not given.", type="string", enum=[*_KINDS, "correction", "preference",
                       "ranking", "retraction"]),
        "name": _field("What was rated: user_feedback by default, or an aspect such as accuracy."),
        "label": _field("A word for the value."),
        "comment": _field("Free text, at most 4096 bytes.", type="string", maxLength=4096),
        "correction": _field("The answer that should have been given; with the signal `edit` the edited text."),
        "chosen": _field("The better of two answers: its token, else its span id or `traceparent`."),
        "rejected": _field("The other one, in the same way."),
        "margin": _field("How much better.", type="number"),
        "position": _field("Which of the two was shown first.", type="string", enum=["chosen", "rejected"]),
        "ranking": _field("An order of answers, the best first: the token of each, else the span id or `traceparent` of"
                          " each.", type="array", items=_TEXT, minItems=2),
        "signal": _field("What the person did with the answer.", type="string", enum=list(SIGNALS)),
        "step": _field("Index of the step that is meant.", type="integer", minimum=0),
        "range": _field("First character of the part that is meant, and the one after the last.", type="array",
                        items={"type": "integer"}, minItems=2, maxItems=2),
        "quote": _field("The words of that part."),
        "rater": _field("Who: the one that the token is for. Where it is for anybody, a claim, kept as any:NAME."),
        "id": _field("Idempotency key: the same id is the same feedback. With # and nanoseconds behind it, a version "
                     "of it, as a PUT makes one; with the kind retraction, what is taken back.", type="string",
                     maxLength=200),
        "metadata": _field("Anything else.", type="object"),
        "source": _field("For those who need no token.", type="string",
                         enum=["end_user", "annotator", "builder", "agent"]),
        "annotator_kind": _field("For those who need no token.", type="string", enum=["HUMAN", "LLM", "CODE"]),
    }  # fmt: skip


def document() -> dict[str, Any]:
    """The description of the endpoint."""
    one = {"$ref": "#/components/schemas/Feedback"}
    given = {"oneOf": [one, {"type": "object", "required": ["feedback"], "properties": {"feedback": _many(one)}}]}
    named = {"name": "id", "in": "path", "required": True, "schema": _TEXT}
    return {
        "openapi": "3.1.0",
        "info": {"title": "rlhf-otel feedback", "version": __version__},
        "paths": {
            "/v1/feedback": {"post": _operation("Give feedback, one or up to 100 at once.", given)},
            "/v1/feedback/{id}": {
                "parameters": [named],
                "put": _operation("Change a feedback: what it says now counts, what it said before is history.", one),
                "delete": _operation("Take a feedback back: the tokens are all that is needed.", one),
            },
        },
        "components": {
            "schemas": {"Feedback": {"type": "object", "additionalProperties": False, "properties": _properties()}},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _many(one: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": one, "minItems": 1, "maxItems": 100}


def _operation(summary: str, schema: dict[str, Any]) -> dict[str, Any]:
    content = {kind: {"schema": schema} for kind in ("application/json", "text/plain")}
    refusals = {
        "400": "It cannot be taken as it is; the message says why.", "401": "No token, or one that proves nothing.",
        "403": "The token is for another name or rater.", "413": "More than 16 KB.", "415": "Another content type.",
        "429": "Too many writes; Retry-After says when to try again.", "503": "Nothing takes feedback now.",
    }  # fmt: skip
    answers = {"202": {"description": "Accepted, whether or not the call is known yet."}}
    answers |= {status: {"description": text} for status, text in refusals.items()}
    return {
        "summary": summary,
        "requestBody": {"content": content},
        "responses": answers,
        "security": [{"bearer": []}, {}],
    }
