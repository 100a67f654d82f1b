"""Responses that openai keeps: fetched, taken up again, cancelled; and conversations that it compacts or counts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from rlhf_otel import semconv
from rlhf_otel.instrumentation.bodies import member, plain
from rlhf_otel.instrumentation.providers.openai_background import waiting
from rlhf_otel.instrumentation.providers.openai_responses import Responses, read_output, read_request, read_usage
from rlhf_otel.instrumentation.providers.plain import Plain

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.endpoint import Endpoint

_ID = re.compile(r"/(?:responses|videos|completions)/([^/?]+)")


def read_id(call: Call, options: Any) -> None:
    """Reads which response is asked for, from the path: an answer that is an error does not say."""
    if found := _ID.search(str(options.url)):
        call.attributes[semconv.RESPONSE_ID] = unquote(found[1])


class Fetched(Responses):
    """`GET /responses/{id}`, whole or as a stream that is taken up again.

    By the conventions it reports no usage: the call that made the response does. It goes by the response's id only
    where that call had no answer: an answer that was recorded then is what people rate.
    """

    operation = semconv.FETCH_RESPONSE

    def read_options(self, call: Call, options: Any) -> None:
        """Reads the id."""
        read_id(call, options)

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """There is no body; the question was in the call that made the response."""
        call.attributes[semconv.OPENAI_API_TYPE] = "responses"
        waiting.give(call)

    def response(self, call: Call, result: Any) -> None:
        """Reads the output items, which there may be none of yet."""
        awaited = waiting.holds(result.id)
        super().response(call, result)
        without_usage(call)
        if not awaited:
            call.response_id = None

    def chunk(self, call: Call, state: Any, chunk: Any) -> None:
        """Reads one event; the first of them may be in the middle of the answer."""
        if chunk.type != "response.created":
            super().chunk(call, state, chunk)

    def end(self, call: Call, state: Any) -> None:
        """Reads the whole response where the stream got that far, and the deltas otherwise."""
        super().end(call, state)
        without_usage(call)


class Cancelled(Fetched):
    """`POST /responses/{id}/cancel`."""

    operation = semconv.CANCEL_RESPONSE


class Compact(Plain):
    """`/responses/compact`."""

    operation = semconv.COMPACTION

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the conversation that is compacted."""
        read_request(call, body)

    def response(self, call: Call, result: Any) -> None:
        """Reads what is left of the conversation, and the usage."""
        call.response_id = result.id
        call.output = read_output([plain(item) for item in result.output or ()])
        read_usage(call, member(result, "usage"))


class InputTokens(Plain):
    """`/responses/input_tokens`: how many tokens a request would have. They have not been used."""

    operation = semconv.COUNT_TOKENS

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads what is counted."""
        read_request(call, body)

    def response(self, call: Call, result: Any) -> None:
        """Reads the count."""
        call.attributes[semconv.USAGE_INPUT_TOKENS] = result.input_tokens


def without_usage(call: Call) -> None:
    """Takes out the token counts, which another call has reported."""
    call.input_tokens = call.output_tokens = call.cached_tokens = call.cache_write_tokens = None
    call.reasoning_tokens = None


ENDPOINTS: Mapping[str, Endpoint] = {"/responses/compact": Compact(), "/responses/input_tokens": InputTokens()}
TEMPLATES: Mapping[tuple[str, str], Endpoint] = {
    ("GET", "/responses/{}"): Fetched(),
    ("POST", "/responses/{}/cancel"): Cancelled(),
}
