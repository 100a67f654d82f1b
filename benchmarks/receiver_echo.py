"""What `receiver.py` holds the receiver against: the same stack, which reads a request whole and answers it at once.

python receiver_echo.py     prints where it listens, as `rlhf-otel serve --json` does
"""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import grpc
import grpc.aio
import uvicorn

HEAD = [(b"content-type", b"application/x-protobuf"), (b"content-length", b"0")]


async def echo(_scope: Any, receive: Any, send: Any) -> None:
    """Reads, and says yes to everything."""
    pieces, more = [], True
    while more:
        message = await receive()
        pieces.append(message["body"])
        more = message["more_body"]
    b"".join(pieces)
    await send({"type": "http.response.start", "status": 200, "headers": HEAD})
    await send({"type": "http.response.body", "body": b""})


async def main() -> None:
    """Serves until it is killed."""
    options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 64 << 20)]
    calls = grpc.aio.server(options=options)

    async def export(_raw: bytes, _context: Any) -> bytes:
        return b""

    handlers = {"Export": grpc.unary_unary_rpc_method_handler(export)}
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    calls.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    grpc_port = calls.add_insecure_port("127.0.0.1:0")
    await calls.start()
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(echo, http="httptools", ws="none", lifespan="off", loop="none", log_config=None)
    port = listening.getsockname()[1]
    print(json.dumps({"http": f"http://127.0.0.1:{port}", "grpc": f"http://127.0.0.1:{grpc_port}"}), flush=True)
    await uvicorn.Server(config).serve(sockets=[listening])


if __name__ == "__main__":
    asyncio.run(main())
