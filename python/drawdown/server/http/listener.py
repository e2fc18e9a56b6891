"""The port of this door: Uvicorn in the server's own loop, with bounds on what a silent client can hold.

Signals stay with the server: it drains this door with the others.
"""

import asyncio
import logging
import socket
from collections.abc import Mapping
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from drawdown.config import ProcessConfig
from drawdown.model.address import host_and_port
from drawdown.server.http.certificates import https_context, names_of
from drawdown.server.http.http_calls import HttpCalls
from drawdown.server.http.request import CERTIFICATE

# The request line and headers: in bytes, and until the last of them is there.
HEADERS_BYTES_MAX: Final = 16 << 10
HEADERS_S: Final = 10.0
KEEP_ALIVE_S: Final = 30
CONNECTIONS_MAX: Final = 1_000
BACKLOG: Final = 512


class PatientProtocol(H11Protocol):
    """Closes connections that never say what they want; tells the calls who a certificate names."""

    _given_up: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for headers."""
        super().connection_made(transport)
        if certificate := transport.get_extra_info("peercert"):
            self.app_state = {**self.app_state, CERTIFICATE: names_of(certificate)}
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        """Between requests the wait begins with the first byte and ends with the last header."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._end_wait()
        elif self._given_up is None:
            self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._end_wait()
        super().connection_lost(exc)

    def _wait_for_headers(self) -> None:
        self._given_up = asyncio.get_running_loop().call_later(HEADERS_S, self.transport.close)

    def _end_wait(self) -> None:
        if self._given_up is not None:
            self._given_up.cancel()
            self._given_up = None


class HttpListener:
    """One listening socket and the connections behind it."""

    def __init__(self, config: ProcessConfig, calls: HttpCalls) -> None:
        self._calls = calls
        self._socket = _bound(config.http)
        host, port = self._socket.getsockname()[:2]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        context = https_context(config)
        settings: dict[str, Any] = {} if context is None else {"ssl_context_factory": lambda *_: context}
        # What strangers send that is no HTTP is their log's matter, not ours.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._config = uvicorn.Config(
            calls.app,
            http=PatientProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=config.drain_s,
            limit_concurrency=CONNECTIONS_MAX,
            h11_max_incomplete_event_size=HEADERS_BYTES_MAX,
            backlog=BACKLOG,
            **settings,
        )
        self._server = uvicorn.Server(self._config)
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take connections."""
        self._config.load()
        self._server.lifespan = self._config.lifespan_class(self._config)
        await self._server.startup(sockets=[self._socket])
        self._serving = asyncio.get_running_loop().create_task(self._server.main_loop())

    async def stop(self) -> None:
        """Take no more; requests in hand are answered, for at most ``drain_s``. Then connections end."""
        self._calls.drain()
        if self._serving is None:
            self._socket.close()
            return
        self._server.should_exit = True
        await self._serving
        await self._server.shutdown(sockets=[self._socket])
        await asyncio.get_running_loop().run_in_executor(None, self._calls.close)

    def stop_at_once(self) -> None:
        """Cut short a stop under way: connections end now, with what is in hand on them unanswered."""
        self._server.force_exit = True
        for connection in tuple(self._server.server_state.connections):
            connection.transport.abort()

    def stats(self) -> Mapping[str, Any]:
        """Figures of this door."""
        return {
            "http_connections": len(self._server.server_state.connections),
            "http_calls_open": self._calls.open_calls,
            "http_calls": {f"{path} {status}": count for (path, status), count in self._calls.calls.items()},
        }


def _bound(address: str) -> socket.socket:
    """A bound socket, one owner per port. Raises ``OSError`` where it cannot be had."""
    host, port = host_and_port(address, "http")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.setblocking(False)
    except OSError as raised:
        found.close()
        raise OSError(raised.errno, f"http: {address}: {raised.strerror}") from raised
    return found
