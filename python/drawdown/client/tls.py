"""TLS of a connection: whom to trust, and what to show."""

from __future__ import annotations

from pathlib import Path

import grpc
import msgspec

from drawdown.errors import InvalidRequestError


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """Certificates as PEM. ``Tls()`` trusts the authorities that gRPC brings along."""

    root_certificates: bytes | None = None
    """Authorities that the server's certificate must come from."""
    certificate_chain: bytes | None = None
    """What this client shows, where the server asks for a certificate; with ``private_key``."""
    private_key: bytes | None = None

    def __repr__(self) -> str:
        shown = [name for name in self.__struct_fields__ if getattr(self, name) is not None]
        return f"Tls({', '.join(shown)})"

    def credentials(self) -> grpc.ChannelCredentials:
        """Credentials of a channel. Raises ``InvalidRequestError`` for half of a client certificate."""
        if (self.certificate_chain is None) != (self.private_key is None):
            raise InvalidRequestError(
                "tls: a client certificate needs certificate_chain and private_key", field="tls"
            )
        return grpc.ssl_channel_credentials(self.root_certificates, self.private_key, self.certificate_chain)


def tls_from_files(ca: Path | None, certificate: Path | None, key: Path | None) -> Tls | None:
    """What these files say; ``None`` without any. Raises ``InvalidRequestError`` naming the file."""
    if ca is None and certificate is None and key is None:
        return None
    return Tls(
        root_certificates=_read(ca, "tls_ca"),
        certificate_chain=_read(certificate, "tls_certificate"),
        private_key=_read(key, "tls_key"),
    )


def _read(path: Path | None, field: str) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as raised:
        raise InvalidRequestError(f"{field}: {path}: {raised.strerror}", field=field) from raised
