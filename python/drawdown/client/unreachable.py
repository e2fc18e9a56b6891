"""A connection that could not be made, in words: what is wrong, and what to do about it."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

# What gRPC says somewhere in its details, and what it means. The first that fits.
_CAUSES: Final[tuple[tuple[str, str], ...]] = (
    (
        "Connection refused",
        "no server listens at {address}: start one (drawdown serve --listen HOST:PORT), or mend the address",
    ),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "the certificate of {address} is signed by no authority known here: give the authority's certificate "
        "(root_certificates=, or DRAWDOWN_TARGET_CA for commands)",
    ),
    (
        "Hostname Verification Check failed",
        "the certificate of {address} is made out to another name: call it by a name in the certificate",
    ),
    (
        "WRONG_VERSION_NUMBER",
        "{address} does not speak TLS: connect without certificates, or give the server some",
    ),
    (
        "Failed to create security handshaker",
        "the certificates given for {address} cannot be used: PEM is what they must be",
    ),
    (
        "Failed parsing HTTP/2",
        "what answers at {address} does not speak gRPC: is it the port of --listen, "
        "not of --http or --metrics?",
    ),
    (
        "Received http2 header with status",
        "what answers at {address} does not speak gRPC: is it the port of --listen, or a proxy in between?",
    ),
    ("lookup failed", "the host name in the address of the server is not known"),
    (
        "failed to connect to all addresses; last error: UNAVAILABLE",
        "{address} closes the connection at once: it wants TLS (root_certificates=, or DRAWDOWN_TARGET_CA "
        "for commands), or it is going away",
    ),
)
_ADDRESS: Final = re.compile(r"ipv[46]:(\S+?):? ")


def unreachable(details: str) -> str | None:
    """The sentence for a call that reached no server, gRPC's words behind it; ``None`` for others."""
    for said, meaning in _CAUSES:
        if said in details:
            found = _ADDRESS.search(details)
            address = unquote(found.group(1)) if found else "that address"
            return f"{meaning.format(address=address)} (gRPC: {details})"
    return None
