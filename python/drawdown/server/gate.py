"""In front of every method where keys are needed: who has none is refused before his message is received.

gRPC receives the message of a unary call, up to ``message_bytes_max``, before its handler runs. Without the
gate whoever can connect could have as many of them kept as a connection may have calls, two gigabytes by
default. Through it a unary method is a stream to gRPC, and its message is asked for when the caller is known.

Health and reflection are open to everybody; there few messages at a time are received, and the oldest of
too many is cut off: an honest one comes in one piece.

Here too are counted the streams that a key has open, and those of everybody without one: each takes one of
the calls that a server has for all.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

import grpc

from drawdown import errors
from drawdown.server import status
from drawdown.server.access import Access
from drawdown.server.context import Context, Handler
from drawdown.server.open_calls import CALLS_MAX
from drawdown.server.open_streams import OpenStreams
from drawdown.server.receptions import Receptions

# Messages of callers that nobody knows: a few, and soon.
STRANGERS_AT_ONCE: Final = 16
STRANGERS_WITHIN_S: Final = 5.0
# What they ask names a service or a symbol; a stream keeps it for as long as it is open.
STRANGERS_BYTES_MAX: Final = 4_096
# Streams of callers that nobody knows, each open for as long as it likes: a tenth of the calls that may be
# open, so that those with a key have room, and of one host a part of them, so that others have some.
STRANGERS_STREAMS_MAX: Final = CALLS_MAX // 10
HOST_STREAMS_MAX: Final = STRANGERS_STREAMS_MAX // 8

Serve = Callable[[Any, Context], Awaitable[Any]]


class Gate:
    """Handlers of methods in, handlers behind the gate out. For use on the loop's thread only."""

    def __init__(
        self, access: Access, receptions: Receptions, loop: asyncio.AbstractEventLoop, *, streams_max: int
    ) -> None:
        self._access = access
        self._receptions = receptions
        self._strangers = Receptions(loop, at_once=STRANGERS_AT_ONCE, within_s=STRANGERS_WITHIN_S)
        self._streams = OpenStreams(streams_max)
        self._strangers_streams = OpenStreams(HOST_STREAMS_MAX, STRANGERS_STREAMS_MAX)

    def behind(self, service: str, handlers: Mapping[str, Handler]) -> dict[str, Handler]:
        """A service's handlers, for those who hold a live key."""
        name = service.rpartition(".")[2]
        return {method: self._known(f"{name}/{method}", each) for method, each in handlers.items()}

    def open(self, handlers: Mapping[str, Handler]) -> dict[str, Handler]:
        """A service's handlers, for everybody."""
        return {method: self._anybody(each) for method, each in handlers.items()}

    def _known(self, path: str, handler: Handler) -> Handler:
        if handler.request_streaming and not handler.response_streaming:
            # It asks who calls before it reads.
            return handler

        async def serve(requests: Any, context: Context) -> Any:
            try:
                caller = self._access.caller(context, path)
                if not handler.request_streaming:
                    request = await self._receptions.message(context)
                if handler.response_streaming:
                    self._begin_stream(caller.key_id)
            except errors.DrawdownError as refused:
                await status.abort(context, refused)
            if not handler.response_streaming:
                return await handler.unary_unary(request, context)
            try:
                if handler.request_streaming:
                    return await handler.stream_stream(requests, context)
                return await handler.unary_stream(request, context)
            finally:
                self._streams.end(caller.key_id)

        return _as_stream(handler, serve)

    def _begin_stream(self, key_id: str) -> None:
        if not self._streams.begin(key_id):
            count = self._streams.of(key_id)
            raise errors.OverloadedError(
                f"the key {key_id} has {count} streams open, as many as it may (key_streams_max)",
                reason="TOO_MANY_STREAMS",
            )

    def _anybody(self, handler: Handler) -> Handler:
        read = handler.request_deserializer

        async def message(context: Context) -> Any:
            try:
                return read(_small(await self._strangers.message(context)))
            except errors.DrawdownError as refused:
                await status.abort(context, refused)

        async def messages(context: Context) -> AsyncIterator[Any]:
            while True:
                try:
                    received = await self._strangers.message(context)
                except errors.InvalidRequestError:
                    return
                except errors.DrawdownError as refused:
                    await status.abort(context, refused)
                try:
                    request = read(_small(received))
                except errors.DrawdownError as refused:
                    await status.abort(context, refused)
                yield request

        async def serve_stream(context: Context) -> None:
            if handler.request_streaming:
                async for answer in handler.stream_stream(messages(context), context):
                    await context.write(answer)
            else:
                await handler.unary_stream(await message(context), context)

        async def serve(_: Any, context: Context) -> Any:
            if not handler.response_streaming:
                return await handler.unary_unary(await message(context), context)
            host = _host_of(context)
            if not self._strangers_streams.begin(host):
                await status.abort(context, _too_many_strangers(self._strangers_streams.of(host)))
            try:
                return await serve_stream(context)
            finally:
                self._strangers_streams.end(host)

        return _as_stream(handler, serve, handler.response_serializer)


def _small(message: bytes) -> bytes:
    if len(message) > STRANGERS_BYTES_MAX:
        raise errors.InvalidRequestError(
            f"the message has {len(message)} bytes; of a caller without a key {STRANGERS_BYTES_MAX} are taken"
        )
    return message


def _host_of(context: Context) -> str:
    """Where a call comes from: gRPC's word, ``ipv4:127.0.0.1:50712``, without the port."""
    peer: str = context.peer()
    return peer.rpartition(":")[0]


def _too_many_strangers(count: int) -> errors.OverloadedError:
    return errors.OverloadedError(
        f"too many streams without a key are open, {count} of them from this host; close some, or ask with "
        "Health.Check",
        reason="TOO_MANY_STREAMS",
    )


def _as_stream(handler: Handler, serve: Serve, serializer: Any = None) -> Handler:
    """A handler that reads its requests itself, as bytes."""
    make = (
        grpc.stream_stream_rpc_method_handler
        if handler.response_streaming
        else grpc.stream_unary_rpc_method_handler
    )
    made: Handler = make(serve, response_serializer=serializer)
    return made
