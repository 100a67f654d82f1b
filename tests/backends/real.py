"""A Phoenix or an MLflow of this environment as a process, with everything that it keeps in one folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from rlhf_otel.testing import FakeLLM, Reply
from tests.collector.running import free_ports

ANSWER = "Seven minutes."
PATIENCE = 150
"""Seconds to wait for a start, which takes 25 on a machine that has nothing else to do."""
QUIET = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "RLHF_OTEL_"))}


class Server:
    """A running server.

    Args:
        folder: where it keeps its data and its log.
        words: its command line, behind the interpreter; `{port}` stands for its port.
        health: the path that answers 200 when it is ready.
        environ: further variables; `{port}` and `{grpc}` stand for free ports there.
    """

    def __init__(self, folder: Path, words: list[str], health: str, environ: Mapping[str, str]) -> None:
        port, grpc = free_ports(2)
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "server.log"
        known = {name: value.format(port=port, grpc=grpc) for name, value in environ.items()}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *(word.format(port=port) for word in words)],
                env={**QUIET, **known}, cwd=folder, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._await(health)

    def _await(self, health: str) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self.process.poll() is None:
            with suppress(URLError, OSError), urlopen(self.url + health, timeout=5):
                return
            time.sleep(0.2)
        self.stop()
        raise RuntimeError(f"the server did not start: {self.log.read_text(errors='replace')[-3000:]}")

    def stop(self) -> None:
        """Ends it with all its processes: it is the first of a group of its own."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON of its answer; a POST where there is a body, which is sent as it is where it is bytes."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        named = {
            "content-type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        try:
            with urlopen(Request(self.url + path, data, named), timeout=60) as answer:
                return answer.status, _parsed(answer.read())
        except HTTPError as refused:
            return refused.code, _parsed(refused.read())

    def until(self, path: str, body: Any = None, **headers: str) -> Any:
        """The first list in its answer, once there is something in it: what it takes it writes down by and by."""
        until = time.monotonic() + PATIENCE
        while True:
            status, said = self.ask(path, body, **headers)
            found = (
                next((each for each in (said or {}).values() if isinstance(each, list)), []) if status == 200 else []
            )
            if found or time.monotonic() > until:
                return found
            time.sleep(0.2)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def phoenix(folder: Path) -> Server:
    """Arize Phoenix, without its own telemetry and without a look at the internet."""
    environ = {
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": "{port}",
        "PHOENIX_GRPC_PORT": "{grpc}",
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
    }
    return Server(folder, ["-m", "phoenix.server.main", "serve"], "/healthz", environ)


def mlflow(folder: Path) -> Server:
    """MLflow's tracking server on SQLite."""
    words = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", "{port}", "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "files")]
    return Server(folder, words, "/health", {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"})


def record(url: str, folder: Path, program: str, **variables: str) -> tuple[list[dict[str, Any]], str]:
    """Runs `program` of this folder under the launcher, with OTLP to `url` and a fake provider behind it.

    Returns:
        What it printed, a line of JSON each, and what it said on stderr.
    """

    def answer(request: Any) -> Reply:
        return Reply(status=404, error="no such model") if request.model == "no-such-model" else Reply(text=ANSWER)

    with FakeLLM(responder=answer) as llm:
        environ = {
            **QUIET, "OPENAI_BASE_URL": llm.openai_url, "OPENAI_API_KEY": "none", "OTEL_SERVICE_NAME": "chat",
            "OTEL_EXPORTER_OTLP_ENDPOINT": url, **variables,
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "rlhf_otel.launcher.command", sys.executable, Path(__file__).with_name(program)],
            env=environ, cwd=folder, capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr
