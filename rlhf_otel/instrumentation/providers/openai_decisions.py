"""`/decisions` of openai: the model answers questions by choosing, and says how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation import parts
from rlhf_otel.instrumentation.bodies import member, plain
from rlhf_otel.instrumentation.providers.openai_responses import read_input, read_usage
from rlhf_otel.instrumentation.providers.plain import Plain

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.endpoint import Endpoint
    from rlhf_otel.records import Part

_CHOSEN = {"choice": "choice", "score": "score", "predicate": "probability"}
"""Kind of question -> the field of its answer that people look for."""


class Decisions(Plain):
    """The readers."""

    operation = semconv.DECISION

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads what is looked at, and the questions, which are the instructions."""
        call.input = read_input(body.get("input"))
        questions = [one for one in body.get("questions") or () if isinstance(one, Mapping)]
        call.system = [parts.text(_words(one.get("instructions"))) for one in questions]

    def response(self, call: Call, result: Any) -> None:
        """Reads each answer as a part, and the usage."""
        call.response_model = result.model
        read_usage(call, member(result, "usage"))
        call.output = [parts.message("assistant", [_answer(plain(one)) for one in result.answers or ()])]


def _words(instructions: Any) -> str:
    if isinstance(instructions, str):
        return instructions
    return "".join(str(p.get("text", "")) for p in instructions or () if isinstance(p, Mapping))


def _answer(answer: dict[str, Any]) -> Part:
    kind = str(answer.get("type"))
    return {**answer, "type": "decision", "kind": kind, "content": answer.get(_CHOSEN.get(kind, ""))}


ENDPOINTS: Mapping[str, Endpoint] = {"/decisions": Decisions()}
