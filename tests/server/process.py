"""`rlhf-otel serve` as its own process, as a user would start it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store import Store
from rlhf_otel.store.inbox import read_in_at

QUIET = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "RLHF_OTEL_"))}


class Serve:
    """A running server; on ports of its own unless they are given.

    Args:
        store: its file.
        options: further words of the command line.
        environ: further variables.
        port: for HTTP.
        grpc_port: for gRPC.
    """

    def __init__(
        self,
        store: Path,
        options: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        port: int = 0,
        grpc_port: int = 0,
    ) -> None:
        self.store = store
        ports = ("--port", str(port), "--grpc-port", str(grpc_port))
        words = ("-m", "rlhf_otel.cli.main", "serve", "--json", "--store", str(store), *ports, *options)
        self.process = subprocess.Popen(
            [sys.executable, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**QUIET, **(environ or {})},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(self.process.communicate()[1])
        place = json.loads(line)
        self.url: str = place["http"]
        self.grpc: str = (place["grpc"] or "").rpartition("//")[2]
        self.login: str = place["login"]

    @property
    def port(self) -> int:
        """Where HTTP is."""
        return int(self.url.rpartition(":")[2])

    @property
    def grpc_port(self) -> int:
        """Where gRPC is."""
        return int(self.grpc.rpartition(":")[2])

    def interactions(self) -> list[Interaction]:
        """What is stored."""
        assert read_in_at(str(self.store), 20) == 0
        with Store.open(self.store, read_only=True) as store:
            return list(store.interactions())

    def pending(self) -> list[Feedback]:
        """The feedback that is stored and whose call is not."""
        with Store.open(self.store, read_only=True) as store:
            return store.pending()

    def most_bytes(self) -> int:
        """The most memory that the process has had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))

    def stop(self, how: int = signal.SIGTERM) -> tuple[int, str]:
        """Ends it; its exit code, and what it said on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        """Waits for its end; its exit code, and what it said on stderr."""
        _, said = self.process.communicate(timeout=20)
        return self.process.returncode, said

    def __enter__(self) -> Serve:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.stop(signal.SIGKILL)
