"""TLS of the gRPC port: files into credentials, read again when they change on disk.

Versions below TLS 1.2 are refused by gRPC itself.
"""

import logging
from pathlib import Path
from typing import Final

import grpc

from drawdown.config import ProcessConfig
from drawdown.errors import ConfigError

_log = logging.getLogger("drawdown.server")

_Stamp = tuple[tuple[int, int], ...]


class _Files:
    """The certificate files, and whether they changed since they were last read."""

    def __init__(self, config: ProcessConfig) -> None:
        named = {
            "tls_certificate": config.tls_certificate,
            "tls_key": config.tls_key,
            "tls_client_ca": config.tls_client_ca,
        }
        self._paths: Final = {field: Path(path) for field, path in named.items() if path}
        self._needs_client = bool(config.tls_client_ca)
        self._stamp = self._look()

    def _look(self) -> _Stamp:
        return tuple(
            (each.st_mtime_ns, each.st_ino) for each in (path.stat() for path in self._paths.values())
        )

    def read(self) -> grpc.ServerCertificateConfiguration:
        """Raises ``ConfigError`` naming the file that cannot be read."""
        content: dict[str, bytes] = {}
        for field, path in self._paths.items():
            try:
                content[field] = path.read_bytes()
            except OSError as raised:
                raise ConfigError(f"{field}: {path}: {raised.strerror}", field=field) from raised
            if b"-----BEGIN" not in content[field]:
                raise ConfigError(f"{field}: {path} is not a PEM file", field=field)
        return grpc.ssl_server_certificate_configuration(
            [(content["tls_key"], content["tls_certificate"])], root_certificates=content.get("tls_client_ca")
        )

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """New credentials where the files differ; called for every handshake. ``None``: as before."""
        try:
            stamp = self._look()
            if stamp == self._stamp:
                return None
            found = self.read()
        except (OSError, ConfigError) as raised:
            _log.error(
                "the certificate files cannot be read again; the earlier ones stay in force", exc_info=raised
            )
            return None
        self._stamp = stamp
        _log.info("certificate files were read again")
        return found

    @property
    def needs_client(self) -> bool:
        return self._needs_client


def server_credentials(config: ProcessConfig) -> grpc.ServerCredentials | None:
    """Credentials of the port, or ``None`` for plaintext. Raises ``ConfigError`` naming the file at fault."""
    if not config.tls_certificate:
        return None
    try:
        files = _Files(config)
    except OSError as raised:
        raise ConfigError(f"tls: {raised.filename}: {raised.strerror}", field="tls_certificate") from raised
    return grpc.dynamic_ssl_server_credentials(
        files.read(), files.changed, require_client_authentication=files.needs_client
    )
