"""TLS: a certificate and its key, from files, for HTTP and for gRPC."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class CertificateError(Exception):
    """The files are of no use. The message says which, and what to do."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Two files in PEM.

    Attributes:
        chain: the certificate, and those between it and one that clients trust.
        key: its private key, without a password.
    """

    chain: str
    key: str

    def check(self) -> None:
        """Tries whether they can be read and go together.

        Raises:
            CertificateError: they do not.
        """
        for path in (self.chain, self.key):
            try:
                Path(path).read_bytes()
            except OSError as error:
                raise CertificateError(f"{path} cannot be read: {error.strerror}") from None
        if os.name == "posix" and Path(self.key).stat().st_mode & 0o007:
            raise CertificateError(f"{self.key} can be read by everybody; `chmod 600` it")
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.chain, self.key, _no_password)
        except (ssl.SSLError, ValueError) as error:
            why = getattr(error, "reason", None) or str(error)
            words = "are no certificate and key in PEM that go together, the key without a password"
            raise CertificateError(f"{self.chain} and {self.key} {words} ({why})") from None

    def for_http(self) -> dict[str, Any]:
        """What uvicorn takes."""
        return {"ssl_certfile": self.chain, "ssl_keyfile": self.key}

    def for_grpc(self) -> Any:
        """What gRPC takes."""
        import grpc  # type: ignore[import-untyped, unused-ignore]

        return grpc.ssl_server_credentials([(Path(self.key).read_bytes(), Path(self.chain).read_bytes())])


def _no_password() -> str:
    """Keeps OpenSSL from asking a person for one."""
    raise ValueError("the key has a password")
