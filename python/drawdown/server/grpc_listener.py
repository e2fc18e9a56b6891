"""The gRPC port: one server of grpcio's at a time, and another in its place where it dies.

grpcio's own loop decodes the path of every call as UTF-8 and ends, with it the server, at one that is none:
anybody who can connect can do that, without a credential. What is applied and journaled is not touched, and
callers repeat what was not answered; so the port is opened again, with the same handlers.
"""

import asyncio
import contextlib
import logging
import socket
import time
from typing import Final

import grpc

from drawdown.config import ProcessConfig
from drawdown.model.address import host_and_port
from drawdown.server.method_table import MethodTable
from drawdown.server.options import channel_arguments

_log = logging.getLogger("drawdown.server")

# How often is looked whether the server lives, and for how long its port is tried again.
LOOK_S: Final = 0.2
AGAIN_S: Final = 30.0
# What calls of the dead server have to end.
FAREWELL_S: Final = 5.0


class GrpcListener:
    """For use on the loop's thread only."""

    def __init__(
        self, process: ProcessConfig, tls: grpc.ServerCredentials | None, table: MethodTable
    ) -> None:
        self._process = process
        self._tls = tls
        self._table = table
        self._server = self._made()
        self.address = ""
        """HOST:PORT, once bound."""
        self.restarts = 0

    def _made(self) -> grpc.aio.Server:
        server = grpc.aio.server(options=channel_arguments(self._process))
        server.add_generic_rpc_handlers((self._table,))
        return server

    def bind(self) -> str:
        """Take the port; the address with its number. Raises ``OSError`` saying why it cannot be had."""
        self.address = self._bound(self._process.listen)
        return self.address

    def _bound(self, address: str) -> str:
        host, _ = host_and_port(address, "listen")
        try:
            if self._tls is not None:
                port = self._server.add_secure_port(address, self._tls)
            else:
                port = self._server.add_insecure_port(address)
        except RuntimeError as raised:
            # gRPC names no cause; the operating system does.
            raise OSError(f"listen: {address} cannot be listened on: {_why_not(address)}") from raised
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def start(self) -> None:
        """Take calls."""
        await self._server.start()

    async def stop(self, grace_s: float | None) -> None:
        """Take no more, and end what is open: after so long, or now."""
        await self._server.stop(grace_s)

    async def keep(self, until: asyncio.Event) -> None:
        """Return once ``until`` is set; before that the port is served, by another server where one dies.

        Raises ``OSError`` where the port is lost to somebody else.
        """
        ending = asyncio.ensure_future(until.wait())
        while not until.is_set():
            # It ends when the time is up, and raises what the server died of.
            dying = asyncio.ensure_future(self._server.wait_for_termination(LOOK_S))
            await asyncio.wait((ending, dying), return_when=asyncio.FIRST_COMPLETED)
            if not dying.done():
                dying.cancel()
            elif (cause := dying.exception()) is not None and not until.is_set():
                await self._replace(cause)

    async def _replace(self, cause: BaseException) -> None:
        self.restarts += 1
        _log.error(
            "grpcio's server died of a call; its port is opened again",
            extra={"cause": f"{type(cause).__name__}: {cause}"[:256], "restarts": self.restarts},
        )
        dead = self._server
        with contextlib.suppress(Exception):
            await asyncio.wait_for(dead.stop(None), FAREWELL_S)
        until = time.monotonic() + AGAIN_S
        while True:
            self._server = self._made()
            try:
                self._bound(self.address)
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(LOOK_S)
        await self._server.start()


def _why_not(address: str) -> str:
    """Why nobody can listen there, as far as the operating system says."""
    host, port = host_and_port(address, "listen")
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(place)
    except OSError as raised:
        return f"{raised.strerror}; end what listens there, or give another --listen"
    return "try again"
