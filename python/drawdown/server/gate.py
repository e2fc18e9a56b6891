"""In front of every method where keys are needed: who has none is refused before his message is received.

gRPC receives the message of a unary call, up to ``message_bytes_max``, before its handler runs. Without the
gate whoever can connect could have as many of them kept as a connection may have calls, two gigabytes by
default. Through it a unary method is a stream to gRPC, and its message is asked for when the caller is known.

Health and reflection are open to everybody; there few messages at a time are received, and the oldest of
too many is cut off: an honest one comes in one piece.

Here too are counted the streams that a key has open: each takes one of the calls that a server has for all.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

import grpc

from drawdown import errors
from drawdown.server import status
from drawdown.server.access import Access
from drawdown.server.context import Context, Handler
from drawdown.server.receptions import Receptions

# Messages of callers that nobody knows: a few, and soon.
STRANGERS_AT_ONCE: Final = 16
STRANGERS_WITHIN_S: Final = 5.0

Serve = Callable[[Any, Context], Awaitable[Any]]


class Gate:
    """Handlers of methods in, handlers behind the gate out. For use on the loop's thread only."""

    def __init__(
        self, access: Access, receptions: Receptions, loop: asyncio.AbstractEventLoop, *, streams_max: int
    ) -> None:
        self._access = access
        self._receptions = receptions
        self._strangers = Receptions(loop, at_once=STRANGERS_AT_ONCE, within_s=STRANGERS_WITHIN_S)
        self._streams_max = streams_max
        self._streams: dict[str, int] = {}

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
                    self._open_stream(caller.key_id)
            except errors.DrawdownError as refused:
                await status.abort(context, refused)
            if not handler.response_streaming:
                return await handler.unary_unary(request, context)
            try:
                if handler.request_streaming:
                    return await handler.stream_stream(requests, context)
                return await handler.unary_stream(request, context)
            finally:
                self._close_stream(caller.key_id)

        return _as_stream(handler, serve)

    def _open_stream(self, key_id: str) -> None:
        count = self._streams.get(key_id, 0)
        if count >= self._streams_max:
            raise errors.OverloadedError(
                f"the key {key_id} has {count} streams open, as many as it may (key_streams_max)",
                reason="TOO_MANY_STREAMS",
            )
        self._streams[key_id] = count + 1

    def _close_stream(self, key_id: str) -> None:
        left = self._streams[key_id] - 1
        if left:
            self._streams[key_id] = left
        else:
            del self._streams[key_id]

    def _anybody(self, handler: Handler) -> Handler:
        read = handler.request_deserializer

        async def message(context: Context) -> Any:
            try:
                return read(await self._strangers.message(context))
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
                yield read(received)

        async def serve(_: Any, context: Context) -> Any:
            if handler.request_streaming:
                async for answer in handler.stream_stream(messages(context), context):
                    await context.write(answer)
                return None
            serve_one = handler.unary_stream if handler.response_streaming else handler.unary_unary
            return await serve_one(await message(context), context)

        return _as_stream(handler, serve, handler.response_serializer)


def _as_stream(handler: Handler, serve: Serve, serializer: Any = None) -> Handler:
    """A handler that reads its requests itself, as bytes."""
    make = (
        grpc.stream_stream_rpc_method_handler
        if handler.response_streaming
        else grpc.stream_unary_rpc_method_handler
    )
    made: Handler = make(serve, response_serializer=serializer)
    return made
