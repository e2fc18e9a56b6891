"""TLS of the HTTP port, by the same settings as gRPC's: files read again when they change on disk."""

import logging
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from drawdown.config import ProcessConfig
from drawdown.errors import ConfigError

_log = logging.getLogger("drawdown.server")

_Stamp = tuple[tuple[int, int], ...]
# As gRPC names them in a call's facts.
_ALTERNATIVE: Final = "x509_subject_alternative_name"
_COMMON_NAME: Final = "x509_common_name"


def https_context(config: ProcessConfig) -> ssl.SSLContext | None:
    """What the port is opened with, or ``None`` for plaintext. Raises ``ConfigError``."""
    if not config.tls_certificate:
        return None
    return _RenewedContext(config).first


def names_of(certificate: Mapping[str, Any]) -> Mapping[str, tuple[bytes, ...]]:
    """Names of a verified client certificate, by kind: URIs and DNS names, then the common name."""
    alternative = tuple(
        value.encode() for kind, value in certificate.get("subjectAltName", ()) if kind in ("URI", "DNS")
    )
    common = tuple(
        value.encode()
        for part in certificate.get("subject", ())
        for kind, value in part
        if kind == "commonName"
    )
    return {_ALTERNATIVE: alternative, _COMMON_NAME: common}


class _RenewedContext:
    """The context of the files as they are now; a handshake after a change gets a new one."""

    def __init__(self, config: ProcessConfig) -> None:
        self._config = config
        self._paths: Final = [
            Path(path) for path in (config.tls_certificate, config.tls_key, config.tls_client_ca) if path
        ]
        try:
            self._stamp = self._look()
            self.first = self._now = self._made()
        except (OSError, ssl.SSLError) as raised:
            raise ConfigError(
                f"tls: the certificate files cannot be used: {raised}", field="tls_certificate"
            ) from raised
        self.first.sni_callback = self._on_handshake

    def _look(self) -> _Stamp:
        return tuple((each.st_mtime_ns, each.st_ino) for each in (path.stat() for path in self._paths))

    def _made(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._config.tls_certificate, self._config.tls_key)
        if self._config.tls_client_ca:
            context.load_verify_locations(self._config.tls_client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _on_handshake(self, connection: ssl.SSLObject, _name: str, _first: ssl.SSLContext) -> None:
        try:
            stamp = self._look()
            if stamp != self._stamp:
                self._now = self._made()
                self._stamp = stamp
        except (OSError, ssl.SSLError) as raised:
            _log.error(
                "the certificate files cannot be read again; the earlier ones stay in force", exc_info=raised
            )
        connection.context = self._now
