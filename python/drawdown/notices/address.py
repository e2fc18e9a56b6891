"""Where a webhook may go: to public addresses over TLS, unless the operator allows more.

A name is resolved anew for every attempt, *every* address it has is judged, and the connection is
made to a judged address, so that a name that changes its mind in between gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

import msgspec

from drawdown.errors import ForbiddenAddressError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], list[str]]

# 64:ff9b::/96 and 2002::/16 carry an IPv4 address inside; whoever routes them reaches it.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.ip_network("2002::/16")
# Likewise the second half of an address after these (ISATAP), whatever the first half.
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
# The one part of IPv6 that is routed between networks. Translation prefixes of a network's own, such as
# 64:ff9b:1::/48, and whatever is set aside later lie outside.
_UNICAST = ipaddress.ip_network("2000::/3")
# Set aside by IANA; Python's own list of these depends on its version.
_CLOSED = tuple(
    ipaddress.ip_network(each)
    for each in ("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "3fff::/20")
)


class Target(msgspec.Struct, frozen=True):
    """One allowed place to connect to."""

    scheme: str
    host: str
    port: int
    address: str
    path: str


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, by the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


class AddressPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What is allowed beyond public TLS endpoints, for development and closed networks."""

    allow_http: bool = False
    allow_private: bool = False

    def target(self, url: str, resolver: Resolver = resolve) -> Target:
        """Where to connect for ``url``. Raises ``ForbiddenAddressError`` saying what is wrong with it."""
        parts = self._split(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            addresses = resolver(host, port)
        except (OSError, UnicodeError) as error:
            raise ForbiddenAddressError(f"url: '{host}' can't be resolved: {error}", field="url") from error
        if not addresses:
            raise ForbiddenAddressError(f"url: '{host}' has no address", field="url")
        for address in addresses:
            if not self.allow_private and not is_public(ipaddress.ip_address(address.partition("%")[0])):
                raise ForbiddenAddressError(
                    f"url: '{host}' leads to {address}, which is not a public address", field="url"
                )
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Target(parts.scheme, host, port, addresses[0], path)

    def _split(self, url: str) -> SplitResult:
        if len(url) > 2048 or any(ord(c) <= 32 or ord(c) == 127 for c in url):
            raise ForbiddenAddressError("url: too long, or with blanks or control characters", field="url")
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError as error:
            raise ForbiddenAddressError(f"url: {error}", field="url") from error
        if not (parts.path + parts.query).isascii():
            raise ForbiddenAddressError(
                "url: its path or query has characters beyond ASCII; write them as %XX of UTF-8", field="url"
            )
        if parts.port == 0:
            raise ForbiddenAddressError("url: port 0 can't be called; name another, or none", field="url")
        schemes = ("https", "http") if self.allow_http else ("https",)
        if parts.scheme not in schemes:
            raise ForbiddenAddressError(f"url: only {' and '.join(schemes)} can be called", field="url")
        if not parts.hostname or parts.username is not None or parts.password is not None:
            raise ForbiddenAddressError("url: give a host, and no user or password in it", field="url")
        return parts


def is_public(address: Address) -> bool:
    """Whether the address is reachable in the open internet and nowhere closer."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _carried(address)
        if inner is not None:
            return is_public(inner)
        if address not in _UNICAST:
            return False
    if any(address in each for each in _CLOSED):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that this one leads to."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _SIX_TO_FOUR:
        return address.sixtofour
    is_isatap = (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP
    return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 or is_isatap else None
