"""A drawdown server over gRPC for asyncio: the methods of ``Database``, awaited.

One event loop per process may use gRPC; make the connection inside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
import msgspec

from drawdown.client import channel as channels
from drawdown.client import watch_messages as watches
from drawdown.client.answers import (
    check_results,
    checks_to_request,
    has_amounts,
    not_definite_after,
    scale_of_event,
    usage_results,
)
from drawdown.client.asyncio_coalescing import (
    EVENTS_PER_BATCH,
    CheckCoalescer,
    CoalescingCounts,
    RecordCoalescer,
    check_to_bytes,
)
from drawdown.client.asyncio_ledger import AioLedgerReads
from drawdown.client.asyncio_recorder import AioRecorder
from drawdown.client.asyncio_reservations import AioReservationCalls
from drawdown.client.asyncio_scales import AioScales
from drawdown.client.backoff import Backoff, RetryBudget
from drawdown.client.call_window import AioWindowedMethod
from drawdown.client.control import over_grpc
from drawdown.client.control.awaited import AwaitedControlMethods
from drawdown.client.interface import CheckLike, EventLike
from drawdown.client.notice_watch import notice_stream, notices_request
from drawdown.client.recorder import BATCH_BYTES_MAX, BATCH_EVENTS_MAX, RecorderOptions, UsageException
from drawdown.client.reservation_session import AioReservationSession
from drawdown.client.rpc_errors import error_of, retry_after_s
from drawdown.client.scales import changes_prices
from drawdown.client.tls import Tls
from drawdown.client.usage_event import (
    SealedEvent,
    UsageEvent,
    encode_event,
    event_from,
    on_own_clocks,
    seal,
)
from drawdown.client.watch import stream_watch
from drawdown.engine import BatchEncoder, answers
from drawdown.errors import OverloadedError, UnavailableError
from drawdown.model import (
    Account,
    AmountLike,
    Balance,
    Catalog,
    CheckResult,
    CommandResult,
    Conservation,
    EntitlementChange,
    Grant,
    InstantLike,
    UsageResult,
    commands,
)
from drawdown.model.command_methods import CommandMethods, require_valid
from drawdown.model.credits import credits_from_units, optional_credits
from drawdown.model.request import Request
from drawdown.model.status import status_name
from drawdown.notices.requests import FeedNotice
from drawdown.v1 import (
    account_pb2_grpc,
    admin_pb2,
    admin_pb2_grpc,
    entitlement_pb2_grpc,
    notice_pb2_grpc,
    usage_pb2_grpc,
)

__all__ = ["AioConnection", "AioRecorder", "connect"]

AnswerT = TypeVar("AnswerT")
GRANTS_PER_PAGE = 1000


class AioConnection(
    AioReservationCalls, AioLedgerReads, CommandMethods[Awaitable[CommandResult]], AwaitedControlMethods
):
    """See ``Database``; every method that asks the server is awaited. For one event loop."""

    def __init__(
        self,
        target: str,
        *,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        root_certificates: bytes | None = None,
        tls: Tls | None = None,
    ) -> None:
        self.target = channels.check_target(target)
        self._timeout_s = timeout_s
        self._metadata = channels.metadata_of(api_key)
        self._retries = RetryBudget()
        opened = channels.open_aio_channel(target, channels.tls_of(tls, root_certificates))
        self._channel: Any = channels.ClosableChannel(opened)
        self._record_usage = AioWindowedMethod(self._channel.unary_unary(channels.RECORD_USAGE))
        self._admin = admin_pb2_grpc.AdminServiceStub(self._channel)
        self._raw_batch_check = self._channel.unary_unary(channels.BATCH_CHECK)
        self._checks = CheckCoalescer(lambda request: self._call(self._raw_batch_check, request))
        self._records = RecordCoalescer(self._recorder_of_records)
        self._entitlement = entitlement_pb2_grpc.EntitlementServiceStub(self._channel)
        self._account = account_pb2_grpc.AccountServiceStub(self._channel)
        self._usage = usage_pb2_grpc.UsageServiceStub(self._channel)
        self._notice = notice_pb2_grpc.NoticeServiceStub(self._channel)
        self._session = AioReservationSession(self._entitlement, self._metadata)
        self._own_clocks: set[str] = set()
        self._scales = AioScales(self.catalog, self.account)

    async def _call(self, method: Callable[..., Awaitable[AnswerT]], request: Any) -> AnswerT:
        """Call, and repeat with the same request while that may help, time is left and the budget allows."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_s
        backoff = Backoff(delay_s_max=1.0)
        self._retries.called()
        unknown = False
        while True:
            try:
                left = max(0.001, deadline - loop.time())
                return await method(request, timeout=left, metadata=self._metadata)
            except OverloadedError as kept_back:
                kept_back.definite = not unknown
                raise
            except asyncio.CancelledError:
                if channels.task_is_cancelled():
                    raise
                raise UnavailableError("the connection was closed before the answer came") from None
            except grpc.RpcError as failure:
                error = error_of(failure)
                # An earlier attempt may have been applied, whatever is said of this one.
                unknown = unknown or not error.definite
                error.definite = not unknown
                delay = retry_after_s(failure) + backoff.next_s()
                if loop.time() + delay >= deadline or not self._retries.allows(error):
                    raise error from failure
                await asyncio.sleep(delay)

    # Usage and entitlement

    async def record(
        self,
        account: str,
        meter: str | None = None,
        *,
        quantity: int = 1,
        credit_type: str | None = None,
        credits: AmountLike | None = None,
        event_id: str | None = None,
        time: InstantLike | None = None,
        dimensions: Mapping[str, str] | None = None,
        force: bool = False,
    ) -> UsageResult:
        """Debit one use: durable when this returns, applied at most once per ``event_id``.

        Records that are awaited at the same time travel on one stream.
        """
        event = UsageEvent(
            account=account,
            meter=meter,
            quantity=quantity,
            credit_type=credit_type,
            credits=credits,
            event_id=event_id,
            time=time,
            dimensions=dimensions,
            force=force,
        )
        if credit_type is not None:
            await self._scales.learn((), {credit_type})
        sealed = seal(event, self._scales.known.of_credit_type, stamps=account not in self._own_clocks)
        # Refused here where it is malformed, so that it cannot spoil what it would travel with.
        encode_event(BatchEncoder(), sealed)
        (scale,) = await self._scales.before([sealed])
        try:
            async with asyncio.timeout(self._timeout_s):
                outcome = await self._records.record(sealed)
        except TimeoutError:
            raise UnavailableError(
                f"event {sealed.event_id!r} was not acknowledged within {self._timeout_s:g} s; it may still "
                "be applied: repeat with the same event_id"
            ) from None
        with not_definite_after([outcome]):
            return await self._usage_result(sealed, outcome, scale)

    async def _usage_result(
        self, event: SealedEvent, outcome: UsageException, scale: int | None
    ) -> UsageResult:
        amounts = (outcome.charged, outcome.uncovered, outcome.available, outcome.shortfall)
        if scale is None and has_amounts(*amounts):
            await self._scales.learn([(event.account, event.subject)])
            scale = scale_of_event(event, self._scales.known)
        scale = scale or 0
        return UsageResult(
            status=outcome.status,
            charged=credits_from_units(outcome.charged, scale),
            uncovered=credits_from_units(outcome.uncovered, scale),
            available=optional_credits(outcome.available, scale),
            shortfall=optional_credits(outcome.shortfall, scale),
            event_id=event.event_id,
            seq=outcome.seq,
        )

    async def record_batch(self, events: Iterable[EventLike]) -> list[UsageResult]:
        """Debit many uses in batches; each is durable when this returns. In the order given."""
        given = [event_from(event) for event in events]
        await self._scales.learn((), {event.credit_type for event in given if event.credit_type is not None})
        sealed = [
            seal(event, self._scales.known.of_credit_type, stamps=event.account not in self._own_clocks)
            for event in given
        ]
        results: list[UsageResult] = []
        encoder = BatchEncoder("rows", "all")
        first = 0
        with not_definite_after(results):
            for position, event in enumerate(sealed):
                waiting = encode_event(encoder, event)
                last = position == len(sealed) - 1
                if last or waiting >= BATCH_EVENTS_MAX or encoder.size_bytes() >= BATCH_BYTES_MAX:
                    results += await self._record(sealed[first : position + 1], encoder.take(1))
                    first = position + 1
        return results

    async def _record(self, events: Sequence[SealedEvent], batch: bytes) -> list[UsageResult]:
        known = await self._scales.before(events)
        ack = await self._call(self._record_usage, batch)
        with not_definite_after(events):
            if None in known:
                await self._scales.learn({(each.account, each.subject) for each in events if not each.direct})
        return usage_results(events, ack, known, self._scales.known)

    def recorder(
        self, batch: int = 1000, linger_ms: float = 5, options: RecorderOptions | None = None
    ) -> AioRecorder:
        """A stream of usage, for ``async with``: batched, bounded in memory, re-sent after a break."""
        wanted = options or RecorderOptions()
        scale_of, clocks = self._scales.of_credit_type, self._own_clocks
        return AioRecorder(
            self._channel, self._metadata, scale_of, clocks, batch=batch, linger_ms=linger_ms, options=wanted
        )

    def _recorder_of_records(self, options: RecorderOptions) -> AioRecorder:
        return self.recorder(batch=EVENTS_PER_BATCH, linger_ms=0, options=options)

    async def check(
        self, account: str, meter: str, *, quantity: int = 1, dimensions: Mapping[str, str] | None = None
    ) -> CheckResult:
        """May a record of the same be ``OK`` now? Truthy iff so; changes nothing.

        Checks that are awaited at the same time share a call.
        """
        answer = await self._checks.check(check_to_bytes(account, meter, quantity, dimensions))
        available = None
        if answer.HasField("available"):
            await self._scales.learn([(account, meter)])
            pairs = tuple(dimensions.items()) if dimensions else ()
            scale = self._scales.known.of_meter(account, meter, pairs)
            available = credits_from_units(answer.available, scale)
        return CheckResult(
            allowed=answer.allowed,
            reason=status_name(answer.reason),
            available=available,
            units=answer.units,
            seq=answer.seq,
        )

    @property
    def coalesced(self) -> CoalescingCounts:
        """How many checks have shared how many calls."""
        return self._checks.counts

    async def check_batch(self, checks: Iterable[CheckLike]) -> list[CheckResult]:
        """Many checks, answered in the order given from durable state."""
        asked = list(checks)
        await self._scales.learn({(each[0], each[1]) for each in asked})
        response = await self._call(self._entitlement.BatchCheck, checks_to_request(asked))
        return check_results(asked, response, self._scales.known)

    def watch_balances(
        self, accounts: Iterable[str], credit_type: str | None = None
    ) -> AsyncIterator[Balance]:
        """Every pool of these accounts, then each again when it changes: ``async for balance in …``."""
        request = watches.balances_request(accounts, credit_type)
        return stream_watch(
            lambda: self._account.WatchBalances(request, metadata=self._metadata), watches.balances_of
        )

    async def watch_entitlements(self, checks: Iterable[CheckLike]) -> AsyncIterator[EntitlementChange]:
        """The answer to each question, then each again when it changes: ``async for change in …``."""
        asked = list(checks)
        request = watches.entitlements_request(asked)
        about = {(each[0], each[1]) for each in asked}
        watch = stream_watch(
            lambda: self._entitlement.WatchEntitlements(request, metadata=self._metadata),
            lambda response: watches.entitlement_changes(asked, response, self._scales.known),
            lambda: self._scales.learn(about, patient=False),
        )
        async for change in watch:
            yield change

    def watch_notices(
        self, account: str = "", *, kinds: Iterable[str] = (), after: int | None = None
    ) -> AsyncIterator[FeedNotice]:
        """Notices as they are stored, from now on or behind a cursor: ``async for notice in …``."""
        return notice_stream(
            lambda request: self._notice.WatchNotices(request, metadata=self._metadata),
            notices_request(account, kinds, after),
        )

    # Commands and reads

    async def execute(
        self, group: Sequence[commands.Command | Mapping[str, Any]]
    ) -> tuple[CommandResult, ...]:
        """Apply commands as one atomic group: all or nothing, durable when this returns."""
        self._own_clocks |= on_own_clocks(group)
        request = admin_pb2.ExecuteCommandsRequest(commands_json=commands.encode_group(group))
        try:
            response = await self._call(self._admin.ExecuteCommands, request)
        finally:
            if changes_prices(request.commands_json):
                self._scales.prices_changed()
        return tuple(
            answers.outcome(each, response.seq) for each in msgspec.json.decode(response.outcomes_json)
        )

    async def _one(self, command: commands.Command) -> CommandResult:
        return require_valid((await self.execute([command]))[0])

    async def _query(self, **request: Any) -> tuple[int, dict[str, Any]]:
        asked = {key: value for key, value in request.items() if value is not None}
        response = await self._call(
            self._admin.Query, admin_pb2.QueryRequest(query_json=msgspec.json.encode(asked))
        )
        return response.seq, answers.decode(response.answer_json, asked)

    async def control(self, request: Request) -> Any:
        """Answer a call of the control plane; in effect when it returns. Repeated while that can help."""
        method = self._channel.unary_unary(over_grpc.path_of(request))
        try:
            return over_grpc.decoded(request, await self._call(method, over_grpc.encoded(request)))
        finally:
            if request.right != "read":
                self._scales.prices_changed()

    async def balance(self, account: str, credit_type: str, at: InstantLike | None = None) -> Balance:
        """One pool, now or as of an instant (from the journal). Raises ``AccountNotFoundError``."""
        if at is not None:
            return await self.balance_at(account, credit_type, at)
        seq, answer = await self._query(type="balance", account=account, credit_type=credit_type)
        return answers.balance(answer, seq)

    async def balances(self, account: str) -> list[Balance]:
        """All pools of the account, by credit type."""
        seq, answer = await self._query(type="balances", account=account)
        return [answers.balance(each, seq) for each in answer["balances"]]

    async def grants(self, account: str, credit_type: str | None = None) -> list[Grant]:
        """All grants of the account, in burn-down order."""
        wanted = {"type": "grants", "account": account, "credit_type": credit_type, "limit": GRANTS_PER_PAGE}
        seq, answer = await self._query(**wanted)
        found = answers.grants(answer, seq)
        while answer.get("next"):
            seq, answer = await self._query(**wanted, after=answer["next"])
            # One that left memory between two pages may be on both.
            found |= answers.grants(answer, seq)
        return list(found.values())

    async def account(self, account: str) -> Account:
        """The account itself. Raises ``AccountNotFoundError``."""
        seq, answer = await self._query(type="account", account=account)
        return answers.account(answer, seq)

    async def accounts(self, prefix: str = "", *, after: str = "", limit: int = 1000) -> list[Account]:
        """At most ``limit`` accounts whose ids start with ``prefix`` and stand after ``after``, by id."""
        seq, answer = await self._query(
            type="accounts", prefix=prefix or None, after=after or None, limit=limit
        )
        return [answers.account(each, seq) for each in answer["accounts"]]

    async def catalog(self) -> Catalog:
        """Credit types, meters and rate tables."""
        seq, answer = await self._query(type="catalog")
        return answers.catalog(answer, seq)

    async def verify(self, account: str | None = None) -> Conservation:
        """Whether every credit is accounted for. Cost grows with the grants looked at."""
        seq, answer = await self._query(type="conservation", account=account)
        return answers.conservation(answer, seq)

    async def stats(self) -> dict[str, Any]:
        """Counters and gauges of the engine, by name."""
        response = await self._call(self._admin.GetStats, admin_pb2.GetStatsRequest())
        figures: dict[str, Any] = msgspec.json.decode(response.engine_json)
        return figures

    async def digest(self) -> str:
        """128-bit digest of the state, as hex; equal states have equal digests."""
        return str((await self._call(self._admin.Verify, admin_pb2.VerifyRequest(digest=True))).digest)

    async def close(self) -> None:
        """Flush records under way and close the connection. A second call changes nothing."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._records.close()
        except TimeoutError:
            raise UnavailableError("not everything recorded was acknowledged before the close") from None
        finally:
            self._checks.close()
            self._session.close()
            await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def connect(
    target: str,
    *,
    api_key: str | None = None,
    timeout_s: float = 30.0,
    root_certificates: bytes | None = None,
    tls: Tls | None = None,
) -> AioConnection:
    """A database at ``HOST:PORT`` for asyncio; call it inside the running loop."""
    return AioConnection(
        target, api_key=api_key, timeout_s=timeout_s, root_certificates=root_certificates, tls=tls
    )
