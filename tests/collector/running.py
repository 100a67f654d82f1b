"""The collector that `make collector` built, run as a process with our configuration."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "collector-config.yaml"
BINARY = ROOT / "collector" / "build" / "rlhf-otelcol"
TOKEN = "a-token-of-the-tests"
PATIENCE = 60
"""Seconds to wait for what comes at once on a machine that has nothing else to do."""


def why_not_built() -> str:
    """Empty where the collector of the present manifest is built; else why it is not."""
    made_from = BINARY.parent / "made-from"
    if BINARY.exists() and made_from.exists():
        same = made_from.read_bytes() == (ROOT / "collector" / "builder.yaml").read_bytes()
        return "" if same else "collector/builder.yaml has changed; run `make collector`"
    if shutil.which(os.environ.get("GO", "go")) is None:
        return "there is no Go here to build it with"
    return "run `make collector`, which takes some minutes"


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


class Collector:
    """A collector on free ports, which it keeps when it is started again, with its queue and archive in `folder`."""

    def __init__(self, folder: Path, endpoint: str, config: Path = CONFIG, **variables: str) -> None:
        self.folder, self.config = folder, config
        self.http_port, self.grpc_port, self.health_port, metrics_port = free_ports(4)
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("COLLECTOR_", "CLICKHOUSE_"))}
        self.environ = {
            **clean,
            "COLLECTOR_HTTP_PORT": str(self.http_port),
            "COLLECTOR_GRPC_PORT": str(self.grpc_port),
            "COLLECTOR_HEALTH_PORT": str(self.health_port),
            "COLLECTOR_METRICS_PORT": str(metrics_port),
            "COLLECTOR_DIR": str(folder / "kept"),
            "COLLECTOR_TOKEN": TOKEN,
            "COLLECTOR_SERVE_ENDPOINT": endpoint,
            "CLICKHOUSE_ENDPOINT": f"tcp://127.0.0.1:{free_ports(1)[0]}",
            **variables,
        }
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it takes OTLP over HTTP."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def grpc_url(self) -> str:
        """Where it takes OTLP over gRPC."""
        return f"http://127.0.0.1:{self.grpc_port}"

    @property
    def log(self) -> Path:
        """What it said, in all its lives."""
        return self.folder / "collector.log"

    @property
    def archive(self) -> Path:
        """Its archive."""
        return self.folder / "kept" / "archive" / "otlp.jsonl"

    def launch(self) -> None:
        """Starts it and does not wait until it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [BINARY, "--config", self.config], env=self.environ, cwd=self.folder, stdout=log, stderr=log
            )

    def start(self) -> Collector:
        """Starts it and waits until it says that it is healthy."""
        self.launch()
        until = time.monotonic() + PATIENCE
        while not self.healthy():
            assert self.process is not None
            assert self.process.poll() is None and time.monotonic() < until, self.log.read_text(errors="replace")
            time.sleep(0.02)
        return self

    def healthy(self) -> bool:
        """What its health check says."""
        with suppress(URLError, ConnectionError):
            with urlopen(f"http://127.0.0.1:{self.health_port}/", timeout=PATIENCE) as response:
                return json.load(response)["status"] == "Server available"
        return False

    def kill(self) -> None:
        """Ends it in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def stop(self) -> int | None:
        """Tells it to end; its exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int | None:
        if self.process is None:
            return None
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE)

    def post(self, path: str, body: bytes, token: str | None = TOKEN, **headers: str) -> tuple[int, bytes]:
        """The status and the body of its answer to a POST of protobuf."""
        named = {"content-type": "application/x-protobuf", **{k.replace("_", "-"): v for k, v in headers.items()}}
        if token is not None:
            named["authorization"] = f"Bearer {token}"
        try:
            with urlopen(Request(self.url + path, body, named), timeout=PATIENCE) as response:
                return response.status, response.read()
        except HTTPError as refused:
            return refused.code, refused.read()

    def application(self, protocol: str = "http/protobuf") -> dict[str, str]:
        """The variables that point an application at it."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.grpc_url if protocol == "grpc" else self.url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{TOKEN}",
        }


class App:
    """An application of this folder under the launcher, in a process of its own."""

    def __init__(self, folder: Path, environ: dict[str, str], name: str, *arguments: str) -> None:
        self.out, self.err = folder / "out.txt", folder / "err.txt"
        program = Path(__file__).with_name("apps") / name
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rlhf_otel.launcher.command", sys.executable, program, *arguments],
                env=environ, cwd=folder, stdin=subprocess.PIPE, stdout=out, stderr=err,
            )  # fmt: skip

    def finish(self) -> list[dict[str, str]]:
        """Closes its input and waits until it has ended well; what it says of its interactions."""
        self.process.communicate(timeout=320)
        assert self.process.returncode == 0, self.err.read_text()
        return [json.loads(line) for line in self.out.read_text().splitlines() if line.startswith("{")]
