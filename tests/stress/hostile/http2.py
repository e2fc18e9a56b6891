"""HTTP/2 by hand: frames that no library would send.

::

    0        3      4       5                  9
    │ length │ type │ flags │ stream id (31 b) │ payload
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    range(10)
)
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
PATH = b"/drawdown.v1.UsageService/RecordUsage"


def frame(
    kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"", length: int | None = None
) -> bytes:
    """One frame; ``length`` may lie."""
    size = len(payload) if length is None else length
    return struct.pack(">I", size)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name: bytes, value: bytes) -> bytes:
    """A header that is not indexed."""
    return b"\x00" + _text(name) + _text(value)


def _text(value: bytes) -> bytes:
    if len(value) < 127:
        return bytes([len(value)]) + value
    rest, encoded = len(value) - 127, b"\x7f"
    while rest >= 128:
        encoded += bytes([rest % 128 + 128])
        rest //= 128
    return encoded + bytes([rest]) + value


def request_headers(path: bytes = PATH, *more: tuple[bytes, bytes]) -> bytes:
    """The header block of a gRPC call."""
    usual = (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path),
        (b":authority", b"localhost"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    )
    return b"".join(literal(name, value) for name, value in (*usual, *more))


def message(body: bytes, *, flag: int = 0, length: int | None = None) -> bytes:
    """A gRPC message: compressed flag, length, bytes."""
    return bytes([flag]) + struct.pack(">I", len(body) if length is None else length) + body


class Peer:
    """One TCP connection; after ``hello`` it speaks HTTP/2."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, 10)
        self.socket.settimeout(10)

    def hello(self, settings: bytes = b"") -> Peer:
        self.send(PREFACE + frame(SETTINGS, payload=settings))
        return self

    def send(self, content: bytes) -> bool:
        """False once the server has closed the connection."""
        try:
            self.socket.sendall(content)
        except OSError:
            return False
        return True

    def call(self, stream: int, content: bytes = b"", *, end: bool = True, path: bytes = PATH) -> bool:
        """Headers of a call, and its bytes as DATA."""
        sent = self.send(frame(HEADERS, END_HEADERS, stream, request_headers(path)))
        if content or end:
            sent = self.send(frame(DATA, END_STREAM if end else 0, stream, content))
        return sent

    def read_some(self, seconds: float = 0.2) -> bytes:
        """What the server says within the time; empty when nothing, or when it closed."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(65_536)
        except OSError:
            return b""

    def is_closed_within(self, seconds: float) -> bool:
        """Whether the server ends the connection; what it says before is read and dropped."""
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(65_536):
                pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        self.socket.close()


def reached(address: tuple[str, int], seconds: float = 10.0) -> Peer:
    """A connection, once somebody listens. Raises ``OSError`` when nobody does for so long."""
    until = time.monotonic() + seconds
    while True:
        try:
            return Peer(address)
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


@contextlib.contextmanager
def peer(address: tuple[str, int], *, hello: bool = True) -> Iterator[Peer]:
    """A connection, closed afterwards."""
    opened = Peer(address)
    try:
        yield opened.hello() if hello else opened
    finally:
        opened.close()
