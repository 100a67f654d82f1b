"""OTLP over gRPC, with handlers that take the bytes as they come: no generated service code is needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc  # type: ignore[import-untyped, unused-ignore]
import grpc.aio  # type: ignore[import-untyped, unused-ignore]

from rlhf_otel.server.answers import Refusal, our_fault, retry_info, status_as_protobuf, taken_as_protobuf
from rlhf_otel.server.guard import Guard
from rlhf_otel.server.receiver import Receiver
from rlhf_otel.server.requests import Body
from rlhf_otel.server.signals import SIGNALS, Signal

Export = Callable[[bytes, Any], Awaitable[bytes]]
_CODES = {code.value[0]: code for code in grpc.StatusCode}


def grpc_server(receiver: Receiver, guard: Guard) -> Any:
    """A server for the three services; it listens nowhere yet."""
    options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", receiver.max_bytes)]
    server = grpc.aio.server(options=options)
    for signal in SIGNALS:
        export = grpc.unary_unary_rpc_method_handler(_exporter(signal, receiver, guard))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(signal.service, {"Export": export}),))
    return server


def _exporter(signal: Signal, receiver: Receiver, guard: Guard) -> Export:
    async def export(raw: bytes, context: Any) -> bytes:
        try:
            await guard.sender(_authorization(context), host=None)
            with receiver.admitted() as lease:
                lease.claim(len(raw))
                return taken_as_protobuf(signal, await receiver.take(signal, Body(raw), lease))
        except Refusal as refusal:
            await _refuse(context, refusal)
        except Exception as error:  # noqa: BLE001 - gRPC would tell the client what is in the exception
            await _refuse(context, our_fault(error, "a request could not be taken"))
        return b""

    return export


def _authorization(context: Any) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == "authorization":
            return str(value)
    return ""


async def _refuse(context: Any, refusal: Refusal) -> None:
    """Ends the call with a status, and with when to come again, in both the places where clients look for that."""
    trailers = [("grpc-status-details-bin", status_as_protobuf(refusal))]
    if (info := retry_info(refusal)) is not None:
        trailers.append(("google.rpc.retryinfo-bin", info.SerializeToString()))
    await context.abort(_CODES[refusal.kind.code], refusal.message, tuple(trailers))
