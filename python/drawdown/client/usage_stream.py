"""Usage streams at full speed for asyncio: raw bytes out, raw acks in, nothing kept or repeated.

For load and for callers who keep their own window; ``recorder`` is the form that re-sends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc

from drawdown.client.channel import STREAM_USAGE, metadata_of, open_aio_channel
from drawdown.client.rpc_errors import error_of
from drawdown.client.tls import Tls
from drawdown.errors import UnavailableError

# More streams than this share connections: each has a window of its own in HTTP/2 all the same.
CONNECTIONS_MAX = 16


class UsageStream:
    """One open ``StreamUsage`` call."""

    def __init__(self, call: Any) -> None:
        self._call = call

    async def write(self, batch: bytes) -> None:
        """Send one encoded batch; waits while the connection's window is full."""
        try:
            await self._call.write(batch)
        except grpc.RpcError as failure:
            raise error_of(failure) from failure

    async def read(self) -> bytes:
        """The next ack, encoded. Raises ``UnavailableError`` when the server has ended the stream."""
        try:
            ack = await self._call.read()
        except grpc.RpcError as failure:
            raise error_of(failure) from failure
        if ack is grpc.aio.EOF:
            raise UnavailableError("the server ended the stream; what has no ack may be sent again")
        return bytes(ack)

    async def done_writing(self) -> None:
        """Nothing more will be sent."""
        await self._call.done_writing()


@asynccontextmanager
async def open_streams(
    target: str, count: int, *, api_key: str | None = None, tls: Tls | None = None
) -> AsyncIterator[list[UsageStream]]:
    """``count`` streams over as many connections, at most 16. Leaving closes them."""
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(open_aio_channel(target, tls))
            for _ in range(min(count, CONNECTIONS_MAX))
        ]
        yield [
            UsageStream(
                channels[number % len(channels)].stream_stream(STREAM_USAGE)(metadata=metadata_of(api_key))
            )
            for number in range(count)
        ]
