"""UsageService: raw batches in, raw acks out; Python moves bytes and never touches an event.

One stream is two coroutines over one queue::

    reader   read() → submit() → queue.append((seq, ack))     stops while the window or ACK_BYTES is full
    writer   woken once per commit group → write(ack) for all that are durable, in order

The next read is started before the present batch is submitted: ``submit`` leaves the interpreter,
and gRPC's own thread receives the next message meanwhile.

A unary call comes in the form that fits (``RecordUsageHandler``): its batch received, or, while somebody
sends large ones or keys are needed, still to be received, so that it can be refused before that.

Beyond what the disk takes, streams wait: nothing is read from them, and HTTP/2 holds the sender back. A
unary call is refused instead, at once and definitely, its caller over its share before others. Large
ones have a queue of their own (``call_queue.py``); where several callers send they take turns
(``senders.py``), and large batches of streams go through that queue as well.
"""

import asyncio
from collections import deque
from typing import Any, Final

import grpc

from drawdown import errors
from drawdown.engine import Engine, RawEngineError, translated
from drawdown.server import status
from drawdown.server.access import Access, Principal, Right
from drawdown.server.arrivals import Arrivals
from drawdown.server.call_queue import LARGE_BYTES, CallQueue
from drawdown.server.context import Context, Handler
from drawdown.server.durability import Durability
from drawdown.server.loop_pass import LoopPass
from drawdown.server.receptions import Receptions
from drawdown.server.senders import Sender, Senders

SERVICE: Final = "drawdown.v1.UsageService"

# A batch that the engine sheds is offered again after every commit group, which leaves room, and at
# least this often. A stream is ended, and a call of a caller within its share refused, after so long.
SHED_PAUSE_S: Final = 0.01
SHED_STREAM_S: Final = 5.0
SHED_CALL_S: Final = 0.05
# Acks of one stream that nobody has read, beside its last: half a megabyte each at worst, so that a window of
# them would be a hundred megabytes a stream.
ACK_BYTES: Final = 1 << 20
# How often a drain looks whether the last stream has ended.
DRAIN_LOOK_S: Final = 0.01


class UsageStream:
    """One open ``StreamUsage`` call: acks in order, one per batch, each after its batch is durable."""

    def __init__(self, service: "UsageService", context: Context, sender: Sender) -> None:
        self._service = service
        self._context = context
        self._sender = sender
        self._loop = service.loop
        self._acks: deque[tuple[int, bytes]] = deque()
        self._ack_bytes = 0
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
        senders, sender = self._service.senders, self._sender
        create_task, read = self._loop.create_task, self._context.read
        offer, acks, window = self._service.offer, self._acks, self._service.window
        loop_pass = self._service.loop_pass
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
                senders.calls(sender)
                if not senders.contended and not loop_pass.takes(len(batch)):
                    await loop_pass.room(len(batch))
                # Another caller may have come meanwhile.
                if senders.contended:
                    seq, ack = await self._service.offer_in_turn(batch, caller, sender)
                else:
                    seq, ack = offer(batch, caller)
            except RawEngineError as raised:
                seq, ack = await self._service.offer_again(raised, batch, caller, sender, SHED_STREAM_S)
            self._service.took(sender, len(batch))
            acks.append((seq, ack))
            self._ack_bytes += len(ack)
            if seq <= self._durable or (len(acks) == 1 and seq <= durable_seq()):
                self.durable_up_to(max(self._durable, seq))
            if len(acks) >= window or self._ack_bytes > ACK_BYTES:
                self._reader_asleep = self._loop.create_future()
                await self._reader_asleep
                self._reader_asleep = None

    async def _write(self) -> None:
        write, acks = self._context.write, self._acks
        room = self._service.window // 2
        while True:
            while acks and acks[0][0] <= self._durable:
                ack = acks.popleft()[1]
                await write(ack)
                self._ack_bytes -= len(ack)
                asleep = self._reader_asleep
                if asleep is None or asleep.done():
                    continue
                if len(acks) <= room and self._ack_bytes <= ACK_BYTES // 2:
                    asleep.set_result(None)
            if self._ended and not acks:
                return
            self._writer_asleep = self._loop.create_future()
            # Published between the look above and now.
            self.durable_up_to(self._service.engine.durable_seq())
            await self._writer_asleep
            self._writer_asleep = None


class RecordUsageHandler(grpc.RpcMethodHandler):
    """``RecordUsage`` in the form that fits, which gRPC asks for at every call.

    A call whose batch is received before anything else costs a tenth less of the loop's time. While anybody
    sends large batches in calls, each is taken as if a stream came in: then it can be refused before its
    batch is received. Where keys are needed that is always so (``gate.py``).
    """

    response_streaming = False
    request_deserializer = None
    response_serializer = None
    unary_stream = None
    stream_stream = None

    def __init__(self, service: "UsageService") -> None:
        self._senders = service.senders
        self.unary_unary = service.record_usage
        self.stream_unary = service.admit_and_record_usage

    @property
    def request_streaming(self) -> bool:
        """Whether the batch is still to be received when the service is called."""
        return self._senders.large_calls


class UsageService:
    """Handlers of ``drawdown.v1.UsageService``."""

    def __init__(
        self,
        engine: Engine,
        durability: Durability,
        access: Access,
        arrivals: Arrivals,
        receptions: Receptions,
        *,
        window_batches: int,
    ) -> None:
        self.engine = engine
        self.window = window_batches
        self.loop = asyncio.get_running_loop()
        self.batches = 0
        self.bytes_in = 0
        self.shed = 0
        self.expired = 0
        self.streams: set[UsageStream] = set()
        self.senders = Senders(self.loop)
        self.loop_pass = LoopPass(self.loop)
        self.call_queue = CallQueue(self.loop, arrivals)
        self._durability = durability
        self._access = access
        self._receptions = receptions
        self._draining = False

    def handlers(self) -> dict[str, Handler]:
        """Method handlers without serializers: bytes as they are on the wire."""
        return {
            "StreamUsage": grpc.stream_stream_rpc_method_handler(self.stream_usage),
            "RecordUsage": RecordUsageHandler(self)
            if self._access.is_open
            else grpc.stream_unary_rpc_method_handler(self.admit_and_record_usage),
        }

    async def stream_usage(self, _: Any, context: Context) -> None:
        """``StreamUsage``."""
        try:
            principal = self._access.principal(context, Right.INGEST, "UsageService/StreamUsage")
            if self._draining:
                raise draining()
            sender = self.senders.of(principal, context)
            stream = UsageStream(self, context, sender)
            sender.streams += 1
            self.streams.add(stream)
            self._durability.add(stream)
            try:
                await stream.run(principal)
            finally:
                sender.streams -= 1
                self._durability.discard(stream)
                self.streams.discard(stream)
        except (errors.DrawdownError, RawEngineError) as raised:
            await status.abort(context, raised)

    async def record_usage(self, batch: bytes, context: Context) -> bytes:
        """``RecordUsage``, its batch received already."""
        try:
            caller, sender = self._caller_of(context)
            return await self._answer(batch, caller, sender, context)
        except (errors.DrawdownError, RawEngineError) as raised:
            await status.abort(context, raised)

    async def admit_and_record_usage(self, _: Any, context: Context) -> bytes:
        """``RecordUsage``, its batch received only if it will not come too late."""
        try:
            caller, sender = self._caller_of(context)
            self.call_queue.admit(sender, context.time_remaining() if sender.large_bytes else None)
            return await self._answer(await self._receptions.message(context), caller, sender, context)
        except (errors.DrawdownError, RawEngineError) as raised:
            await status.abort(context, raised)

    def _caller_of(self, context: Context) -> tuple[Principal, Sender]:
        caller = self._access.principal(context, Right.INGEST, "UsageService/RecordUsage")
        if self._draining:
            raise draining()
        return caller, self.senders.of(caller, context)

    async def _answer(self, batch: bytes, caller: Principal, sender: Sender, context: Context) -> bytes:
        if len(batch) >= LARGE_BYTES or self.senders.contended:
            seq, ack = await self._take_in_turn(batch, caller, sender, context)
        else:
            try:
                seq, ack = self._offer_in_time(batch, caller, context)
            except RawEngineError as raised:
                seq, ack = await self._offer_call_again(raised, batch, caller, sender)
        self.took(sender, len(batch))
        await self._durability.reached(seq)
        return ack

    async def _take_in_turn(
        self, batch: bytes, caller: Principal, sender: Sender, context: Context
    ) -> tuple[int, bytes]:
        try:
            if len(batch) >= LARGE_BYTES:
                self.senders.large_calls = True
                return await self.call_queue.run(
                    sender,
                    batch,
                    lambda: self._offer_in_time(batch, caller, context),
                    context.time_remaining(),
                )
            await self.senders.turn(sender, len(batch))
            return self._offer_in_time(batch, caller, context)
        except RawEngineError as raised:
            return await self._offer_call_again(raised, batch, caller, sender)

    async def _offer_call_again(
        self, raised: RawEngineError, batch: bytes, caller: Principal, sender: Sender
    ) -> tuple[int, bytes]:
        seconds = 0.0 if self.senders.is_over_share(sender) else SHED_CALL_S
        return await self.offer_again(raised, batch, caller, sender, seconds)

    def _offer_in_time(self, batch: bytes, caller: Principal, context: Context) -> tuple[int, bytes]:
        """``offer``. Raises ``OverloadedError`` where the caller has given up: nothing is done for nobody."""
        left_s = context.time_remaining()
        if left_s is not None and left_s <= 0:
            self.expired += 1
            raise errors.OverloadedError("the call waited past its deadline; nothing was applied")
        return self.offer(batch, caller)

    def offer(self, batch: bytes, caller: Principal) -> tuple[int, bytes]:
        """The batch to the engine: its seq and its ack. Raises what the engine raises."""
        return self.engine.submit(batch, account_prefix=caller.account_prefix, may_force=caller.may_force)

    async def offer_in_turn(self, batch: bytes, caller: Principal, sender: Sender) -> tuple[int, bytes]:
        """``offer`` a stream's batch when it is the caller's turn, a large one beside the loop."""
        if len(batch) >= LARGE_BYTES:
            return await self.call_queue.wait_and_run(sender, batch, lambda: self.offer(batch, caller))
        await self.senders.turn(sender, len(batch))
        return self.offer(batch, caller)

    async def offer_again(
        self, raised: RawEngineError, batch: bytes, caller: Principal, sender: Sender, seconds_max: float
    ) -> tuple[int, bytes]:
        """``offer`` what the engine has shed until it is taken; at most so long. Raises the last refusal."""
        until = self.loop.time() + seconds_max
        while isinstance(translated(raised), errors.OverloadedError):
            self.shed += 1
            if self.loop.time() >= until:
                break
            await self._durability.next_group(SHED_PAUSE_S)
            if self.senders.contended:
                await self.senders.turn(sender, len(batch))
            elif not self.loop_pass.takes(len(batch)):
                await self.loop_pass.room(len(batch))
            try:
                return self.offer(batch, caller)
            except RawEngineError as again:
                raised = again
        raise raised

    def took(self, sender: Sender, batch_bytes: int) -> None:
        """Count a batch that the engine has taken."""
        sender.bytes += batch_bytes
        self.batches += 1
        self.bytes_in += batch_bytes

    def close(self) -> None:
        """After the last call: wait for what is still worked on."""
        self.call_queue.close()

    async def keep_pace(self, caller: Principal) -> None:
        """Return when the caller's key may send a batch. Raises once it was revoked or has expired."""
        while wait_s := self._access.pause_s(caller):
            await asyncio.sleep(wait_s)

    def drain(self) -> None:
        """Take no further batches; open streams flush their acks and end with OK."""
        self._draining = True
        self.senders.close()
        self.end_streams()

    def end_streams(self) -> None:
        """Open streams take no further batches, flush their acks and end with OK; clients open new ones."""
        for stream in tuple(self.streams):
            stream.stop()

    async def ended(self, seconds_max: float) -> None:
        """Return when no stream is open, or the time is up."""
        until = self.loop.time() + seconds_max
        while self.streams and self.loop.time() < until:
            await asyncio.sleep(DRAIN_LOOK_S)


def _look_at(ended: asyncio.Task[Any]) -> None:
    """Where the call has ended nobody else looks at the failure of a part, and asyncio would complain."""
    if not ended.cancelled():
        ended.exception()


def draining() -> errors.UnavailableError:
    """What a call gets that arrives after the drain began: nothing of it was applied."""
    return errors.UnavailableError(
        "the server is draining; connect again and send the same", reason="DRAINING", definite=True
    )
