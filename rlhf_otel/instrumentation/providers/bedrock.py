"""boto3 1: Amazon Bedrock's runtime, by botocore's one method for all calls of all services.

Of the runtime it is `converse` and `converse_stream` that are read here; `bedrock_invoke` reads the bodies that
`invoke_model` hands through as they are. Calls of any other service are passed by before anything is looked at.
Sources: botocore 1.43's description of the service; the GenAI conventions' page on AWS Bedrock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation.methods import Described, Method, server
from rlhf_otel.instrumentation.providers import bedrock_invoke
from rlhf_otel.instrumentation.providers.bedrock_content import Conversation

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.endpoint import Endpoint
    from rlhf_otel.instrumentation.methods import Arguments

_SERVICE = "bedrock-runtime"
_STREAMS = ("ConverseStream", "InvokeModelWithResponseStream")


class Converse:
    """`Converse` and `ConverseStream`."""

    operation = "chat"

    def __init__(self) -> None:
        self._read = Conversation()

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads what was asked."""
        self._read.request(call, body["api_params"])

    def response(self, call: Call, result: Any) -> None:
        """Reads the answer."""
        read_metadata(call, result)
        self._read.response(call, result)

    def new_state(self) -> Any:
        """The blocks so far."""
        return self._read.new_state()

    def chunk(self, call: Call, state: Any, chunk: Any) -> None:
        """Reads one event, as it came over the wire."""
        if not read_failure(call, chunk):
            self._read.event(call, state, chunk.headers.get(":event-type"), json.loads(chunk.payload))

    def end(self, call: Call, state: Any) -> None:
        """Joins the deltas of each block."""
        self._read.end(call, state)


class Invoke:
    """`InvokeModel` and `InvokeModelWithResponseStream`: a body that is the model's own."""

    def __init__(self, family: Endpoint) -> None:
        self.operation, self._family = family.operation, family

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads what was asked; a body that is a file is not."""
        given = body["api_params"].get("body")
        if isinstance(given, str | bytes) and given.lstrip()[:1] in ("{", b"{"):
            self._family.request(call, json.loads(given))

    def response(self, call: Call, result: Any) -> None:
        """Reads the answer, once the application has."""
        self._family.response(call, result)

    def new_state(self) -> Any:
        """What the family gathers in."""
        return self._family.new_state()

    def chunk(self, call: Call, state: Any, chunk: Any) -> None:
        """Reads the piece that one event holds."""
        if read_failure(call, chunk):
            return
        piece = bedrock_invoke.piece(chunk.payload)
        if piece is not None:
            bedrock_invoke.read_metrics(call, piece)
            self._family.chunk(call, state, piece)

    def end(self, call: Call, state: Any) -> None:
        """Turns what was gathered into the fields of the call."""
        self._family.end(call, state)


def read_metadata(call: Call, result: Mapping[str, Any]) -> None:
    """Reads what botocore says of the response: its id, and how often it was asked for."""
    said = result.get("ResponseMetadata") or {}
    call.retries = said.get("RetryAttempts") or 0
    if request_id := said.get("RequestId"):
        call.attributes[semconv.AWS_REQUEST_ID] = request_id
        call.response_id = call.response_id or request_id
    bedrock_invoke.read_headers(call, said.get("HTTPHeaders") or {})


def read_failure(call: Call, message: Any) -> bool:
    """Whether this message of a stream is what the service raises; it is the last one."""
    kind = message.headers.get(":exception-type") or message.headers.get(":error-code")
    if kind is None:
        return False
    told = json.loads(message.payload or b"{}")
    call.failure = (kind, str(told.get("message") or message.headers.get(":error-message") or ""))
    call.finish("error")
    return True


def _endpoint(instance: Any, arguments: Arguments) -> Any:
    operation, asked = arguments["operation_name"], arguments["api_params"]
    if operation in ("Converse", "ConverseStream"):
        return _CONVERSE
    if operation in ("InvokeModel", "InvokeModelWithResponseStream"):
        return Invoke(bedrock_invoke.family(str(asked.get("modelId")), asked.get("body")))
    return None


_CONVERSE = Converse()


class Bedrock:
    """The provider."""

    package = "bedrock"
    versions = (1, 1)
    methods: tuple[Method, ...] = (
        Method(
            target="botocore.client:BaseClient._make_api_call",
            endpoint=_endpoint,
            stream=lambda given: given["operation_name"] in _STREAMS,
            inner=lambda result: f"{events(result)}._event_generator",
            body=lambda result: raw(result, "_raw_stream"),
        ),
    )

    def concerns(self, instance: Any) -> bool:
        """Whether `instance` is a client of the runtime, and not one of the hundreds of other services."""
        return bool(instance._service_model.service_name == _SERVICE)

    def describe(self, instance: Any, arguments: Arguments) -> Described:
        """The model, and the region's address."""
        asked = arguments["api_params"]
        attributes = {**server(instance.meta.endpoint_url)}
        guardrail = asked.get("guardrailIdentifier") or (asked.get("guardrailConfig") or {}).get("guardrailIdentifier")
        if guardrail:
            attributes[semconv.AWS_BEDROCK_GUARDRAIL_ID] = guardrail
        return Described(provider="aws.bedrock", model=asked.get("modelId"), attributes=attributes)

    def began(self, call: Call, result: Any) -> None:
        """The headers are there; what follows is read by the application."""
        read_metadata(call, result)

    def raised(self, call: Call, error: BaseException) -> None:
        """Reads the status of what was refused."""
        said = (getattr(error, "response", None) or {}).get("ResponseMetadata") or {}
        call.status_code, call.retries = said.get("HTTPStatusCode"), said.get("RetryAttempts") or 0
        if request_id := said.get("RequestId"):
            call.attributes[semconv.AWS_REQUEST_ID] = request_id


def events(result: Mapping[str, Any]) -> str | None:
    """The key under which `result` holds a stream of events; None where it holds none."""
    if "stream" in result:
        return "stream"
    return "body" if hasattr(result.get("body"), "_event_generator") else None


def raw(result: Mapping[str, Any], attribute: str) -> str | None:
    """Where the bytes of `result` come from: of events for their end, of a body by its `attribute`."""
    if (key := events(result)) is not None:
        return f"{key}._raw_stream"
    return f"body.{attribute}" if "body" in result else None


provider = Bedrock()
