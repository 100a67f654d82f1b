"""TLS by certificate and key files, over HTTP and gRPC."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import pytest
import trustme
from click.testing import CliRunner

from rlhf_otel.cli.main import cli
from tests.conformance.messages import span, traces
from tests.server.access.visiting import filled
from tests.server.process import Serve


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A certificate for this machine, its key, and whom to trust."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1", "localhost")
    paths = {name: folder / f"{name}.pem" for name in ("cert", "key", "ca")}
    made.private_key_pem.write_to_path(paths["key"])
    paths["key"].chmod(0o600)
    made.cert_chain_pems[0].write_to_path(paths["cert"])
    authority.cert_pem.write_to_path(paths["ca"])
    yield paths


def options(files: dict[str, Path]) -> list[str]:
    """What makes a server speak TLS."""
    return ["--tls-cert", str(files["cert"]), "--tls-key", str(files["key"])]


def test_both_ports_speak_tls_and_nothing_else(tmp_path: Path, files: dict[str, Path]) -> None:
    """To whoever trusts the certificate; the cookie is then for TLS alone, and for this very host."""
    filled(tmp_path / "store.db")
    with Serve(tmp_path / "store.db", [*options(files), "--host", "127.0.0.1"]) as server:
        assert server.url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=str(files["ca"]))
        with urllib.request.urlopen(server.login, context=trusting) as answer:
            cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"__Host-rlhf-otel-session-{server.port}=")
        assert cookie.endswith("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure")
        with pytest.raises(urllib.error.URLError, match="SSL"):
            urllib.request.urlopen(f"{server.url}/healthz", context=_old(files["ca"]))
        with pytest.raises(OSError):
            urllib.request.urlopen(server.url.replace("https", "http"))
        credentials = grpc.ssl_channel_credentials(files["ca"].read_bytes())
        with grpc.secure_channel(server.grpc, credentials) as channel:
            call = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
            with pytest.raises(grpc.RpcError) as raised:
                call(traces(span()).SerializeToString(), timeout=10)
        assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
        with grpc.insecure_channel(server.grpc) as channel:
            call = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
            with pytest.raises(grpc.RpcError) as raised:
                call(b"", timeout=5)
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


def _old(authority: Path) -> ssl.SSLContext:
    """A client that knows no newer TLS than 1.1."""
    context = ssl.create_default_context(cafile=str(authority))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def test_files_that_are_of_no_use_are_named(tmp_path: Path, files: dict[str, Path]) -> None:
    """Before anything is listened at."""
    nonsense, readable = tmp_path / "nonsense.pem", tmp_path / "open.pem"
    nonsense.write_text("no PEM at all")
    nonsense.chmod(0o600)
    readable.write_bytes(files["key"].read_bytes())
    readable.chmod(0o644)
    cert, key = str(files["cert"]), str(files["key"])
    for words, code, said in (
        (["--tls-cert", cert], 2, "TLS needs both"),
        (["--tls-cert", cert, "--tls-key", str(tmp_path / "none.pem")], 1, "none.pem cannot be read"),
        (["--tls-cert", cert, "--tls-key", str(nonsense)], 1, "are no certificate and key"),
        (["--tls-cert", key, "--tls-key", key], 1, "are no certificate and key"),
        (["--tls-cert", cert, "--tls-key", str(readable)], 1, "can be read by everybody; `chmod 600` it"),
    ):
        result = CliRunner().invoke(cli, ["serve", "--store", str(tmp_path / "store.db"), "--port", "0", *words])
        assert (result.exit_code, said in result.output) == (code, True), result.output


def test_the_login_leads_to_the_server(tmp_path: Path, files: dict[str, Path]) -> None:
    """By the scheme that it speaks."""
    with Serve(tmp_path / "store.db", options(files)) as server:
        assert urlsplit(server.login).netloc == urlsplit(server.url).netloc
        assert urlsplit(server.login).scheme == "https"
