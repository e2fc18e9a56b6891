"""A TCP proxy that does what networks do: it delays, trickles, resets, half-closes and swallows, as told."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from dataclasses import dataclass

PIECE_BYTES = 64 << 10

Echo = tuple[asyncio.StreamReader, asyncio.StreamWriter]
"""A second connection to the server."""


@dataclass(frozen=True)
class Fault:
    """What happens to bytes. Applies to connections that are open and to new ones."""

    name: str = "none"
    delay_s: float = 0.0
    """Each piece is passed on so much later."""
    bytes_per_s: float = 0.0
    """Towards the client at most so fast; 0: as fast as it comes."""
    swallow: bool = False
    """Taken and never passed on, both ways: a peer that is gone without a word."""
    swallow_replies: bool = False
    """Only towards the client."""
    reset_after_request_bytes: int = 0
    """The connection is reset once so much of a request was passed on."""
    reset_at_reply: bool = False
    """The request is passed on whole; at the first byte of the reply the connection is reset."""
    half_close_at_reply: bool = False
    """At the first byte of the reply the client is told that nothing more comes."""
    reset_before: bytes = b""
    """The connection is reset when a request has these bytes, and they are not passed on."""
    twice: bool = False
    """What a new connection sends is sent over a second one as well, whose replies nobody gets."""
    refuse: bool = False
    """New connections are reset."""


NONE = Fault()


class FaultProxy:
    """One listening port in front of ``host:port``, run by a thread of its own."""

    def __init__(self, target: str) -> None:
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self.fault = NONE
        self.connections = 0
        self.resets = 0
        self.echoes = 0
        """Connections whose requests were sent twice."""
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)

    @property
    def address(self) -> str:
        """HOST:PORT to connect to."""
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        assert self._listening.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def retarget(self, target: str) -> None:
        """New connections go elsewhere."""
        self._host, _, port = target.rpartition(":")
        self._port = int(port)

    def reset_all(self) -> None:
        """Every open connection is reset now."""
        self._loop.call_soon_threadsafe(self._reset_open)

    def _reset_open(self) -> None:
        for writer in tuple(self._open):
            self._reset(writer)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = int(server.sockets[0].getsockname()[1])
        self._listening.set()
        self._loop.run_forever()
        server.close()
        # What is still passing bytes ends with its connection.
        self._reset_open()
        self._loop.run_until_complete(asyncio.wait_for(self._none_open(), 5))
        self._loop.close()

    async def _none_open(self) -> None:
        while self._open:
            await asyncio.sleep(0.005)

    def _reset(self, writer: asyncio.StreamWriter) -> None:
        self.resets += 1
        found = writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.fault.refuse:
            self._reset(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
            echo = await self._echo() if self.fault.twice else None
        except OSError:
            self._reset(writer)
            return
        ends = [writer, far_writer, *(() if echo is None else echo[1:])]
        self._open.update(ends)
        passing = [
            asyncio.create_task(self._requests(reader, ends, echo)),
            asyncio.create_task(self._replies(far_reader, writer, far_writer)),
        ]
        if echo is not None:
            passing.append(asyncio.create_task(self._drop(echo[0])))
        try:
            await asyncio.wait(passing)
        finally:
            for each in passing:
                each.cancel()
            for end in ends:
                self._open.discard(end)
                end.close()

    async def _echo(self) -> Echo:
        self.echoes += 1
        return await asyncio.open_connection(self._host, self._port)

    async def _drop(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while await reader.read(PIECE_BYTES):
                pass

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        ends: list[asyncio.StreamWriter],
        echo: Echo | None,
    ) -> None:
        near, far, *_ = ends
        passed = 0
        with contextlib.suppress(OSError):
            while piece := await reader.read(PIECE_BYTES):
                fault = self.fault
                if fault.swallow:
                    continue
                if fault.reset_before and fault.reset_before in piece:
                    self._reset(near)
                    self._reset(far)
                    return
                await asyncio.sleep(fault.delay_s)
                far.write(piece)
                await far.drain()
                if echo is not None:
                    echo[1].write(piece)
                passed = passed + len(piece) if fault.reset_after_request_bytes else 0
                if passed and passed >= fault.reset_after_request_bytes:
                    self._reset(near)
                    self._reset(far)
                    return
            far.write_eof()
        if echo is not None:
            echo[1].close()

    async def _replies(
        self, reader: asyncio.StreamReader, near: asyncio.StreamWriter, far: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(PIECE_BYTES):
                fault = self.fault
                if fault.swallow or fault.swallow_replies:
                    continue
                if fault.reset_at_reply:
                    self._reset(near)
                    self._reset(far)
                    return
                if fault.half_close_at_reply:
                    near.write_eof()
                    return
                await asyncio.sleep(fault.delay_s)
                await self._pass(near, piece)
            near.write_eof()

    async def _pass(self, near: asyncio.StreamWriter, piece: bytes) -> None:
        rate = self.fault.bytes_per_s
        if not rate:
            near.write(piece)
            await near.drain()
            return
        # In steps of a tenth of a second, or byte by byte.
        step = max(1, int(rate / 10))
        for first in range(0, len(piece), step):
            near.write(piece[first : first + step])
            await near.drain()
            if self.fault.bytes_per_s != rate:
                near.write(piece[first + step :])
                return
            await asyncio.sleep(step / rate)
