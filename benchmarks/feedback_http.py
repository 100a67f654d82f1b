"""How many feedback a second are acknowledged over HTTP, beside an endpoint of the same stack that only echoes.

    python benchmarks/feedback_http.py [--quick] [--json] [--rounds N]

`serve` is `rlhf-otel serve`; `mounted` is `rlhf_otel.web.FeedbackApp` in an application's uvicorn, on the way to the
embedded store. Each has a token to verify, a comment, and is answered when it is on the disk (`serve`) or written to
the spool (`mounted`). The clients are one process with 64 connections that are kept alive; each of them waits for an
answer before it sends again. By turns, so that what the machine does meanwhile falls on all of them; on a busy machine
the CPU time says more than the rates.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from harness import Row, arguments, clean_environment, show

KEY = "a secret for this benchmark"
CONNECTIONS, SECONDS = 64, 3.0
LEAST, LEAST_SHARE = 3000, 0.4
ME = str(Path(__file__).resolve())


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Reads a request and answers it."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    headers = [(b"content-type", b"application/json"), (b"content-length", b"80")]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": body[:80]})


def application(which: str) -> None:
    """Serves the echo, or the endpoint in front of it, until it is killed."""
    import uvicorn

    app: Any = echo
    if which == "mounted":
        import rlhf_otel as rlhf
        from rlhf_otel.web import FeedbackApp

        rlhf.instrument(store="mounted.db")
        app = FeedbackApp(echo, key=KEY, per_token=0, per_address=0)
    config = uvicorn.Config(app, log_config=None, lifespan="off", http="httptools", loop="asyncio", access_log=False)
    import socket

    listening = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"http": f"http://127.0.0.1:{listening.getsockname()[1]}"}), flush=True)
    asyncio.run(uvicorn.Server(config).serve(sockets=[listening]))


class Client(asyncio.Protocol):
    """Sends, waits for the answer, sends again; counts what was accepted."""

    def __init__(self, head: bytes, bodies: list[bytes], counts: dict[bytes, int]) -> None:
        self._requests = [head + b"%d\r\n\r\n" % len(body) + body for body in bodies]
        self._counts, self._sent, self._answer = counts, 0, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins."""
        self._transport: Any = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        """Counts an answer that is whole, and goes on."""
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end:
            return
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if len(body) >= int(length):
            status, self._answer = self._answer[9:12], b""
            self._counts[status] = self._counts.get(status, 0) + 1
            self._next()

    def _next(self) -> None:
        self._transport.write(self._requests[self._sent % len(self._requests)])
        self._sent += 1


def load(url: str, seconds: float) -> None:
    """Sends for so long; prints how many were accepted a second."""
    from rlhf_otel.records import Handle
    from rlhf_otel.token import mint

    host, _, port = url.removeprefix("http://").partition(":")
    head = f"POST /v1/feedback HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: https://shop.example\r\n".encode()
    head += b"User-Agent: Mozilla/5.0\r\nAccept: */*\r\nContent-Type: application/json\r\nContent-Length: "

    def bodies(connection: int) -> list[bytes]:
        calls = (Handle(f"{connection + 1:032x}", f"{connection * 1000 + n + 1:016x}", None, 1) for n in range(100))
        tokens = (mint(call, rater=f"u{connection}", names=["user_feedback"], key=KEY) for call in calls)
        return [json.dumps({"token": token, "value": True, "comment": "nice and short"}).encode() for token in tokens]

    async def run() -> None:
        loop, counts = asyncio.get_running_loop(), {}
        for connection in range(CONNECTIONS):
            client = Client(head, bodies(connection), counts)
            await loop.create_connection(lambda client=client: client, host, int(port))
        await asyncio.sleep(0.3)
        before, began = counts.get(b"202", 0), time.perf_counter()
        await asyncio.sleep(seconds)
        accepted = (counts.get(b"202", 0) - before) / (time.perf_counter() - began)
        others = {status.decode(): count for status, count in counts.items() if status != b"202"}
        print(json.dumps({"accepted": accepted, "all": sum(counts.values()), "others": others}))
        os._exit(0) if sys.stdout.flush() is None else None

    asyncio.run(run())


class Measured(NamedTuple):
    """Accepted requests a second, and microseconds of CPU time for each."""

    accepted: float
    cpu_us: float


class Server:
    """A process that says where it listens."""

    def __init__(self, command: list[str], folder: str) -> None:
        more = {"RLHF_OTEL_TOKEN_KEY": KEY, "RLHF_OTEL_SERVER_FEEDBACK_PER_TOKEN": "0",
                "RLHF_OTEL_SERVER_FEEDBACK_PER_ADDRESS": "0"}  # fmt: skip
        environ = clean_environment(**more)
        self.process = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = json.loads(self.process.stdout.readline())["http"]

    def measured(self, seconds: float) -> Measured:
        """How many requests a second it accepts, and the CPU time that it takes for each."""
        command, before = [sys.executable, ME, "load", self.url, str(seconds)], self._cpu_s()
        told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
        if told["others"]:
            raise RuntimeError(f"answered {told['others']}")
        return Measured(told["accepted"], (self._cpu_s() - before) / told["all"] * 1e6)

    def _cpu_s(self) -> float:
        """The CPU time of the process so far, all its threads, in the kernel as well."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measures by turns and prints the table."""
    options = arguments(__doc__, rounds=3)
    seconds = 0.5 if options.quick else SECONDS
    serve = [sys.executable, "-m", "rlhf_otel.cli.main", "serve", "--json", "--port", "0", "--no-grpc"]
    commands = {
        "echo": [sys.executable, ME, "application", "echo"],
        "serve": [*serve, "--store", "served.db"],
        "mounted": [sys.executable, ME, "application", "mounted"],
    }
    with tempfile.TemporaryDirectory() as folder:
        servers = {name: Server(command, folder) for name, command in commands.items()}
        try:
            rounds = [{name: server.measured(seconds) for name, server in servers.items()}
                      for _ in range(1 if options.quick else options.rounds)]  # fmt: skip
        finally:
            for server in servers.values():
                server.process.kill()
                server.process.wait()
    rows = []
    for name in servers:
        accepted = statistics.median(each[name].accepted for each in rounds)
        cpu_us = statistics.median(each[name].cpu_us for each in rounds)
        share = statistics.median(each[name].accepted / each["echo"].accepted for each in rounds)
        note = f"{cpu_us:.0f} us of CPU each"
        if name != "echo":
            met = "met" if accepted >= LEAST or share >= LEAST_SHARE else "MISSED"
            note += f"; {share:.0%} of the echo; >= {LEAST:,}/s or {LEAST_SHARE:.0%}: {met}"
        rows.append(Row("acknowledged", name, accepted, "/s", note=note))
    show(rows, "Feedback acknowledged over HTTP, 64 connections", options)


if __name__ == "__main__":
    if "load" in sys.argv[1:2]:
        load(sys.argv[2], float(sys.argv[3]))
    elif "application" in sys.argv[1:2]:
        application(sys.argv[2])
    else:
        main()
