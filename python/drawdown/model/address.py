"""Where something listens: ``HOST:PORT``."""

import ipaddress

from drawdown.errors import ConfigError


def host_and_port(address: str, field: str) -> tuple[str, int]:
    """Split ``HOST:PORT`` (IPv6 hosts in brackets). Raises ``ConfigError`` naming ``field``."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise ConfigError(f"{field}: {address!r} is not HOST:PORT, for example 127.0.0.1:7070", field=field)
    return host.removeprefix("[").removesuffix("]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
