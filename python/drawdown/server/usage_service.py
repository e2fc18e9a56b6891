"""UsageService: raw batches in, raw acks out; Python moves bytes and never touches an event.

One stream is two coroutines over one queue::

    reader   read() → submit() → queue.append((seq, ack))     stops while the window is full
    writer   woken once per commit group → write(ack) for all that are durable, in order

The next read is started before the present batch is submitted: ``submit`` leaves the interpreter,
and gRPC's own thread receives the next message meanwhile.
"""

import asyncio
from collections import deque
from typing import Any, Final

import grpc

from drawdown import errors
from drawdown.engine import Engine, RawEngineError, translated
from drawdown.server import status
from drawdown.server.access import Access, Principal, Right
from drawdown.server.context import Context, Handler
from drawdown.server.durability import Durability

SERVICE: Final = "drawdown.v1.UsageService"

# A batch that the engine sheds is offered again this often before its stream is ended: the pause is
# back-pressure, and a commit group (about a millisecond) is what usually clears it.
SHED_RETRIES: Final = 100
SHED_PAUSE_S: Final = 0.01


class UsageStream:
    """One open ``StreamUsage`` call: acks in order, one per batch, each after its batch is durable."""

    def __init__(self, service: "UsageService", context: Context) -> None:
        self._service = service
        self._context = context
        self._loop = service.loop
        self._acks: deque[tuple[int, bytes]] = deque()
        self._ended = False
        self._stopping = False
        self._durable = 0
        self._writer_asleep: asyncio.Future[None] | None = None
        self._reader_asleep: asyncio.Future[None] | None = None
        self._reading: asyncio.Task[Any] | None = None

    def durable_up_to(self, seq: int) -> None:
        """Wake the writer if its next ack may go out."""
        self._durable = seq
        asleep = self._writer_asleep
        if asleep is not None and self._acks and self._acks[0][0] <= seq and not asleep.done():
            asleep.set_result(None)

    def stop(self) -> None:
        """Take no further batch; acks of those taken still go out, then the stream ends with OK."""
        self._stopping = True
        if self._reading is not None:
            self._reading.cancel()

    async def run(self, caller: Principal) -> None:
        """Serve the stream to its end. Raises what ends it early, after the acks of batches taken."""
        writer = self._loop.create_task(self._write())
        writer.add_done_callback(self._writer_ended)
        try:
            await self._read(caller)
        except asyncio.CancelledError:
            writer.cancel()
            raise
        finally:
            self._ended = True
            if self._reading is not None:
                # Begun ahead, and now nobody's.
                self._reading.add_done_callback(_look_at)
            if self._writer_asleep is not None and not self._writer_asleep.done():
                self._writer_asleep.set_result(None)
            await asyncio.wait((writer,))
        if not writer.cancelled() and (failure := writer.exception()) is not None:
            raise failure

    def _writer_ended(self, writer: asyncio.Task[None]) -> None:
        """The caller is gone, or all is said: nothing more is read."""
        _look_at(writer)
        if not self._ended:
            self.stop()
            if self._reader_asleep is not None and not self._reader_asleep.done():
                self._reader_asleep.set_result(None)

    async def _read(self, caller: Principal) -> None:
        account_prefix, may_force = caller.account_prefix, caller.may_force
        create_task, read = self._loop.create_task, self._context.read
        submit, acks, window = self._service.engine.submit, self._acks, self._service.window
        durable_seq = self._service.engine.durable_seq
        end = grpc.aio.EOF
        reading = self._reading = create_task(read())
        while not self._stopping:
            try:
                batch = await reading
            except asyncio.CancelledError:
                if self._stopping and reading.cancelled():
                    return
                raise
            if batch is end:
                return
            reading = self._reading = create_task(read())
            # One turn of the loop starts the read.
            await asyncio.sleep(0)
            if caller.key_id:
                await self._service.keep_pace(caller)
            try:
                seq, ack = submit(batch, account_prefix=account_prefix, may_force=may_force)
            except RawEngineError as raised:
                seq, ack = await self._offer_again(raised, batch, account_prefix, may_force)
            acks.append((seq, ack))
            self._service.batches += 1
            self._service.bytes_in += len(batch)
            if seq <= self._durable or (len(acks) == 1 and seq <= durable_seq()):
                self.durable_up_to(max(self._durable, seq))
            if len(acks) >= window:
                self._reader_asleep = self._loop.create_future()
                await self._reader_asleep
                self._reader_asleep = None

    async def _offer_again(
        self, raised: RawEngineError, batch: bytes, account_prefix: str, may_force: bool
    ) -> tuple[int, bytes]:
        for _ in range(SHED_RETRIES):
            if not isinstance(translated(raised), errors.OverloadedError):
                break
            self._service.shed += 1
            await asyncio.sleep(SHED_PAUSE_S)
            try:
                return self._service.engine.submit(batch, account_prefix=account_prefix, may_force=may_force)
            except RawEngineError as again:
                raised = again
        raise raised

    async def _write(self) -> None:
        write, acks = self._context.write, self._acks
        room = self._service.window // 2
        while True:
            while acks and acks[0][0] <= self._durable:
                await write(acks.popleft()[1])
                asleep = self._reader_asleep
                if asleep is not None and len(acks) <= room and not asleep.done():
                    asleep.set_result(None)
            if self._ended and not acks:
                return
            self._writer_asleep = self._loop.create_future()
            # Published between the look above and now.
            self.durable_up_to(self._service.engine.durable_seq())
            await self._writer_asleep
            self._writer_asleep = None


class UsageService:
    """Handlers of ``drawdown.v1.UsageService``."""

    def __init__(
        self, engine: Engine, durability: Durability, access: Access, *, window_batches: int
    ) -> None:
        self.engine = engine
        self.window = window_batches
        self.loop = asyncio.get_running_loop()
        self.batches = 0
        self.bytes_in = 0
        self.shed = 0
        self.streams: set[UsageStream] = set()
        self._durability = durability
        self._access = access
        self._draining = False

    def handlers(self) -> dict[str, Handler]:
        """Method handlers without serializers: bytes as they are on the wire."""
        return {
            "StreamUsage": grpc.stream_stream_rpc_method_handler(self.stream_usage),
            "RecordUsage": grpc.unary_unary_rpc_method_handler(self.record_usage),
        }

    async def stream_usage(self, _: Any, context: Context) -> None:
        """``StreamUsage``."""
        try:
            principal = self._access.principal(context, Right.INGEST)
            if self._draining:
                raise draining()
            stream = UsageStream(self, context)
            self.streams.add(stream)
            self._durability.add(stream)
            try:
                await stream.run(principal)
            finally:
                self._durability.discard(stream)
                self.streams.discard(stream)
        except (errors.DrawdownError, RawEngineError) as raised:
            await status.abort(context, raised)

    async def record_usage(self, batch: bytes, context: Context) -> bytes:
        """``RecordUsage``."""
        try:
            principal = self._access.principal(context, Right.INGEST)
            if self._draining:
                raise draining()
            seq, ack = self.engine.submit(
                batch, account_prefix=principal.account_prefix, may_force=principal.may_force
            )
            self.batches += 1
            self.bytes_in += len(batch)
            await self._durability.reached(seq)
            return ack
        except (errors.DrawdownError, RawEngineError) as raised:
            await status.abort(context, raised)

    async def keep_pace(self, caller: Principal) -> None:
        """Return when the caller's key may send a batch. Raises once it was revoked or has expired."""
        while wait_s := self._access.pause_s(caller):
            await asyncio.sleep(wait_s)

    def drain(self) -> None:
        """Take no further batches; open streams flush their acks and end with OK."""
        self._draining = True
        for stream in tuple(self.streams):
            stream.stop()


def _look_at(ended: asyncio.Task[Any]) -> None:
    """Where the call has ended nobody else looks at the failure of a part, and asyncio would complain."""
    if not ended.cancelled():
        ended.exception()


def draining() -> errors.UnavailableError:
    """What a call gets that arrives after the drain began: nothing of it was applied."""
    return errors.UnavailableError(
        "the server is draining; connect again and send the same", reason="DRAINING", definite=True
    )
