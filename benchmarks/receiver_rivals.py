"""Phoenix and MLflow for `receiver.py`, where `make test-backends` has made their environments.

Both answer before they have written: what is *readable* is what their own database has at the end of the wait.
"""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness import VENVS, clean_environment

PATIENCE_S = 150.0


@dataclass
class Rival:
    """A running server of somebody else's.

    Attributes:
        process: the first of a group of its own, which has all its processes.
        url: of HTTP, without a path.
        grpc: host and port, empty where it takes none.
        ready_s: how long it took until it listened.
        headers: what requests need beyond OTLP's.
        written: how many spans its database has.
    """

    process: subprocess.Popen[bytes]
    url: str
    grpc: str
    ready_s: float
    written: Callable[[], int]
    headers: Mapping[str, str] = field(default_factory=dict)


def python(name: str) -> Path:
    """The interpreter of the environment of the tests of backend `name`; perhaps it is not there."""
    return VENVS / f"backends-{name}" / "bin" / "python"


def phoenix(folder: Path) -> Rival:
    """Arize Phoenix on SQLite, without its own telemetry and without a look at the internet."""
    home = folder / "phoenix"
    http, grpc = free_ports(2)
    environ = {
        "PHOENIX_WORKING_DIR": str(home),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(http),
        "PHOENIX_GRPC_PORT": str(grpc),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
    }
    words = ["-m", "phoenix.server.main", "serve"]
    process, url, ready_s = _started("phoenix", words, home, environ, http, "/healthz")
    return Rival(process, url, f"127.0.0.1:{grpc}", ready_s, lambda: _counted(home / "phoenix.db"))


def mlflow(folder: Path) -> Rival:
    """MLflow's tracking server on SQLite, with one worker, as it is started without a word."""
    home = folder / "mlflow"
    (http,) = free_ports(1)
    words = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(http), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{home}/mlflow.db", "--artifacts-destination", str(home / "files")]
    environ = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    process, url, ready_s = _started("mlflow", words, home, environ, http, "/health")
    headers = {"x-mlflow-experiment-id": "0"}
    return Rival(process, url, "", ready_s, lambda: _counted(home / "mlflow.db"), headers)


def _started(
    name: str, words: Sequence[str], home: Path, environ: Mapping[str, str], port: int, health: str
) -> tuple[subprocess.Popen[bytes], str, float]:
    """A server that says by `health` when it is ready."""
    home.mkdir()
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [python(name), *words], env=clean_environment(**environ), cwd=home, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    url, began = f"http://127.0.0.1:{port}", time.monotonic()
    while time.monotonic() - began < PATIENCE_S and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(url + health, timeout=5):
            return process, url, time.monotonic() - began
        time.sleep(0.2)
    raise RuntimeError(f"{name} did not start: {(home / 'log').read_text(errors='replace')[-2000:]}")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _counted(database: Path) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM spans").fetchone()
    return int(count)


RIVALS = {"phoenix": phoenix, "mlflow": mlflow}
