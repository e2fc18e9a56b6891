"""The way out: one POST to a judged address, without redirects, bounded in time and bytes."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from drawdown.errors import ForbiddenAddressError
from drawdown.model.ids import visible
from drawdown.notices.address import AddressPolicy, Resolver, Target, resolve

TIMEOUT_S = 5.0
ANSWER_MAX = 64 * 1024
GONE = 410
SECONDS_MAX = 86_400


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one attempt."""

    delivered: bool
    status: int | None = None
    """HTTP status; ``None`` where no answer came."""
    error: str = ""
    duration_ms: int = 0
    retry_after_s: int | None = None
    is_final: bool = False
    """The receiver wants no more of it (410), or the URL may not be called: no retry helps."""


class _PlainConnection(http.client.HTTPConnection):
    """Connects to the judged address, whatever the name says by now."""

    def __init__(self, target: Target, timeout: float) -> None:
        super().__init__(target.host, target.port, timeout=timeout)
        self._address = target.address
        self._open: socket.socket | None = None
        self.is_cut = False

    def connect(self) -> None:
        self._wait_on(socket.create_connection((self._address, self.port), self.timeout))

    def _wait_on(self, opened: socket.socket) -> None:
        """From now on ``cut`` ends what waits for this socket. Raises ``TimeoutError`` if it has come."""
        self._open = self.sock = opened
        # It found none to shut down, or the one before, and comes only once.
        if self.is_cut:
            raise TimeoutError

    def cut(self) -> None:
        """From another thread: end whatever this one waits for, also where every byte comes in time."""
        self.is_cut = True
        if self._open is not None:
            with suppress(OSError):
                # Of the plain socket below: the state of TLS is the other thread's.
                socket.socket.shutdown(self._open, socket.SHUT_RDWR)


class _TlsConnection(_PlainConnection):
    default_port = http.client.HTTPS_PORT

    def __init__(self, target: Target, timeout: float, context: ssl.SSLContext) -> None:
        super().__init__(target, timeout)
        self._context = context

    def connect(self) -> None:
        super().connect()
        # The certificate must be the name's, not the address's.
        wrapped = self._context.wrap_socket(
            self.sock, server_hostname=self.host, do_handshake_on_connect=False
        )
        self._wait_on(wrapped)
        wrapped.do_handshake()


class WebhookSender:
    """Posts signed bodies. Blocks for ``timeout_s`` at most, once the name is known; keeps no connection."""

    def __init__(
        self,
        policy: AddressPolicy | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        context: ssl.SSLContext | None = None,
        resolver: Resolver = resolve,
    ) -> None:
        self._policy = policy or AddressPolicy()
        self._timeout_s = timeout_s
        self._context = context
        self._resolver = resolver

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Delivery:
        """One attempt. Never raises for what the receiver or the network does."""
        began = time.monotonic()
        try:
            target = self._policy.target(url, self._resolver)
        except ForbiddenAddressError as error:
            # A name that can't be resolved now may be resolved later.
            return _failed(began, str(error), is_final="can't be resolved" not in str(error))
        connection = self._connection(target)
        end = threading.Timer(self._timeout_s, connection.cut)
        end.start()
        try:
            connection.request("POST", target.path, body, {"user-agent": "drawdown-webhooks", **headers})
            answer = connection.getresponse()
            _drain(answer)
            if connection.is_cut:
                raise TimeoutError
        except (OSError, http.client.HTTPException, ValueError) as error:
            if connection.is_cut:
                return _failed(began, f"TimeoutError: there was no whole answer within {self._timeout_s:g} s")
            return _failed(began, f"{type(error).__name__}: {error}")
        finally:
            end.cancel()
            connection.close()
        return Delivery(
            delivered=200 <= answer.status < 300,
            status=answer.status,
            error="" if 200 <= answer.status < 300 else f"answered {answer.status}",
            duration_ms=_since(began),
            retry_after_s=_seconds(answer.getheader("retry-after")),
            is_final=answer.status == GONE,
        )

    def _connection(self, target: Target) -> _PlainConnection:
        if target.scheme == "https":
            if self._context is None:
                # Reads all certificates of the machine: not at every start.
                self._context = ssl.create_default_context()
            return _TlsConnection(target, self._timeout_s, self._context)
        return _PlainConnection(target, self._timeout_s)


def _drain(answer: http.client.HTTPResponse) -> None:
    """Read what little of the answer counts; one that floods is an error."""
    read = 0
    while chunk := answer.read1(8192):
        read += len(chunk)
        if read > ANSWER_MAX:
            raise ValueError(f"the answer is larger than {ANSWER_MAX} bytes")


def _failed(began: float, error: str, *, is_final: bool = False) -> Delivery:
    return Delivery(
        delivered=False, error=visible(error.strip())[:500], duration_ms=_since(began), is_final=is_final
    )


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _seconds(header: str | None) -> int | None:
    """``Retry-After`` in seconds; its form as a date is ignored."""
    if header is None or not (header.isascii() and header.isdigit()):
        return None
    # However many digits a receiver likes to send.
    return SECONDS_MAX if len(header) > 9 else min(int(header), SECONDS_MAX)
