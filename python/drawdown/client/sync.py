"""A drawdown server as a ``Database``, over gRPC, for threads.

Every call is safe to repeat: usage and commands carry their ids, so a call whose answer is missing
is sent again with the same bytes, with back-off, until ``timeout_s`` is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import grpc
import msgspec

from drawdown.client import channel as channels
from drawdown.client import reservation_messages as messages
from drawdown.client import watch_messages as watches
from drawdown.client.answers import check_results, checks_to_request, not_definite_after, usage_results
from drawdown.client.backoff import Backoff, RetryBudget
from drawdown.client.call_window import WindowedMethod
from drawdown.client.control import over_grpc
from drawdown.client.correction_messages import correct_request, corrected
from drawdown.client.interface import CheckLike, Database, EventLike
from drawdown.client.notice_watch import NoticeStream, notices_request
from drawdown.client.recorder import BATCH_BYTES_MAX, BATCH_EVENTS_MAX, Recorder, RecorderOptions
from drawdown.client.reservation_session import ReservationSession
from drawdown.client.rpc_errors import error_of, retry_after_s
from drawdown.client.scales import Scales, changes_prices
from drawdown.client.stream_recorder import StreamRecorder
from drawdown.client.tls import Tls
from drawdown.client.usage_event import SealedEvent, encode_event, event_from, on_own_clocks, seal
from drawdown.client.watch import NoticeWatch, StreamWatch, Watch
from drawdown.engine import BatchEncoder, answers
from drawdown.engine.ledger_reads import LedgerReads
from drawdown.errors import DrawdownError, OverloadedError
from drawdown.model import (
    Account,
    Balance,
    Catalog,
    CheckResult,
    CommandResult,
    Conservation,
    CorrectionResult,
    EntitlementChange,
    Grant,
    InstantLike,
    OpenReservation,
    ReleaseResult,
    ReservationResult,
    SettleResult,
    UsageResult,
    commands,
)
from drawdown.model.request import Request
from drawdown.v1 import (
    account_pb2_grpc,
    admin_pb2,
    admin_pb2_grpc,
    entitlement_pb2,
    entitlement_pb2_grpc,
    notice_pb2_grpc,
    usage_pb2_grpc,
)

AnswerT = TypeVar("AnswerT")
GRANTS_PER_PAGE = 1000


class Connection(LedgerReads, Database):
    """A connection to one server. Safe to call from any thread; connects on first use."""

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
        opened = channels.open_channel(target, channels.tls_of(tls, root_certificates))
        self._channel: Any = channels.ClosableChannel(opened)
        self._record_usage = WindowedMethod(self._channel.unary_unary(channels.RECORD_USAGE))
        self._admin = admin_pb2_grpc.AdminServiceStub(self._channel)
        self._entitlement = entitlement_pb2_grpc.EntitlementServiceStub(self._channel)
        self._account = account_pb2_grpc.AccountServiceStub(self._channel)
        self._usage = usage_pb2_grpc.UsageServiceStub(self._channel)
        self._notice = notice_pb2_grpc.NoticeServiceStub(self._channel)
        self._session = ReservationSession(self._entitlement, self._metadata)
        self._own_clocks: set[str] = set()
        self._scales = Scales(self.catalog, lambda account: self.account(account).rate_table)

    def _call(self, method: Callable[..., AnswerT], request: Any) -> AnswerT:
        """Call, and repeat with the same request while that may help, time is left and the budget allows."""
        deadline = time.monotonic() + self._timeout_s
        backoff = Backoff(delay_s_max=1.0)
        self._retries.called()
        unknown = False
        while True:
            try:
                left = max(0.001, deadline - time.monotonic())
                return method(request, timeout=left, metadata=self._metadata)
            except OverloadedError as kept_back:
                kept_back.definite = not unknown
                raise
            except grpc.RpcError as failure:
                error: DrawdownError = error_of(failure)
                # An earlier attempt may have been applied, whatever is said of this one.
                unknown = unknown or not error.definite
                error.definite = not unknown
                delay = retry_after_s(failure) + backoff.next_s()
                if time.monotonic() + delay >= deadline or not self._retries.allows(error):
                    raise error from failure
                time.sleep(delay)

    def wait_ready(self, timeout_s: float = 5.0) -> None:
        """Return when the server answers: a call alone would wait ``timeout_s`` of the connection for that.

        Raises ``UnavailableError`` when it has not in time, with what stands in the way.
        """
        deadline = time.monotonic() + timeout_s
        backoff = Backoff(delay_s_max=0.5)
        ask = self._channel.unary_unary(channels.HEALTH_CHECK)
        while True:
            try:
                ask(b"", timeout=max(0.001, deadline - time.monotonic()))
                return
            except grpc.RpcError as failure:
                error: DrawdownError = error_of(failure)
                delay = backoff.next_s()
                if time.monotonic() + delay >= deadline or not error.retryable:
                    raise error from failure
                time.sleep(delay)

    # Usage and entitlement

    def record_batch(self, events: Iterable[EventLike]) -> list[UsageResult]:
        """Debit many uses in batches; each is durable when this returns. In the order given."""
        given = [event_from(event) for event in events]
        sealed = [
            seal(event, self._scales.of_credit_type, stamps=event.account not in self._own_clocks)
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
                    results += self._record(sealed[first : position + 1], encoder.take(1))
                    first = position + 1
        return results

    def _record(self, events: Sequence[SealedEvent], batch: bytes) -> list[UsageResult]:
        known = self._scales.before(events)
        return usage_results(events, self._call(self._record_usage, batch), known, self._scales)

    def recorder(
        self, batch: int = 1000, linger_ms: float = 5, options: RecorderOptions | None = None
    ) -> Recorder:
        """A stream of usage: batched, bounded in memory, re-sent with the same ids after a break."""
        return StreamRecorder(
            self._channel,
            self._metadata,
            self._scales.of_credit_type,
            self._own_clocks,
            batch=batch,
            linger_ms=linger_ms,
            options=options or RecorderOptions(),
        )

    def check_batch(self, checks: Iterable[CheckLike]) -> list[CheckResult]:
        """Many checks, answered in the order given from durable state."""
        asked = list(checks)
        request: entitlement_pb2.BatchCheckRequest = checks_to_request(asked)
        response = self._call(self._entitlement.BatchCheck, request)
        return check_results(asked, response, self._scales)

    def watch_balances(self, accounts: Iterable[str], credit_type: str | None = None) -> Watch[Balance]:
        """Every pool of these accounts, then each again when it changes."""
        request = watches.balances_request(accounts, credit_type)
        return StreamWatch(
            lambda: self._account.WatchBalances(request, metadata=self._metadata), watches.balances_of
        )

    def watch_entitlements(self, checks: Iterable[CheckLike]) -> Watch[EntitlementChange]:
        """The answer to each question, then each again when it changes."""
        asked = list(checks)
        request = watches.entitlements_request(asked)
        return StreamWatch(
            lambda: self._entitlement.WatchEntitlements(request, metadata=self._metadata),
            lambda response: watches.entitlement_changes(asked, response, self._scales),
        )

    def watch_notices(
        self, account: str = "", *, kinds: Iterable[str] = (), after: int | None = None
    ) -> NoticeWatch:
        """Notices as they are stored; mended by the cursor when the connection breaks."""
        return NoticeStream(
            lambda request: self._notice.WatchNotices(request, metadata=self._metadata),
            notices_request(account, kinds, after),
            timeout_s=self._timeout_s,
        )

    # Reservations

    def _reserve(self, command: commands.Reserve, release_on_disconnect: bool) -> ReservationResult:
        session_id = self._session.session_id() if release_on_disconnect else ""
        request = messages.reserve_request(command, session_id)
        return messages.reserved(self._call(self._entitlement.Reserve, request), command.reservation_id)

    def _settle(self, command: commands.Settle) -> SettleResult:
        return messages.settled(self._call(self._entitlement.Settle, messages.settle_request(command)))

    def release(self, account: str, reservation_id: str) -> ReleaseResult:
        """End a reservation with nothing used: everything returns. Twice changes nothing."""
        request = entitlement_pb2.ReleaseRequest(account_id=account, reservation_id=reservation_id)
        return messages.released(self._call(self._entitlement.Release, request))

    def reservations(self, account: str | None = None) -> list[OpenReservation]:
        """Reservations neither settled, released nor lapsed, of one account or of all."""
        found: list[OpenReservation] = []
        request = entitlement_pb2.ListReservationsRequest(account_id=account or "", page_size=1000)
        while True:
            response = self._call(self._entitlement.ListReservations, request)
            found += messages.open_reservations(response)
            if not response.next_page_token:
                return found
            request.page_token = response.next_page_token

    def _correct(self, command: commands.Correct) -> CorrectionResult:
        return corrected(self._call(self._usage.CorrectUsage, correct_request(command)))

    # Commands and reads

    def execute(self, group: Sequence[commands.Command | Mapping[str, Any]]) -> tuple[CommandResult, ...]:
        """Apply commands as one atomic group: all or nothing, durable when this returns."""
        self._own_clocks |= on_own_clocks(group)
        seq, outcomes = self.execute_json(commands.encode_group(group))
        return tuple(answers.outcome(each, seq) for each in msgspec.json.decode(outcomes))

    def execute_json(self, group: bytes) -> tuple[int, bytes]:
        """``execute`` for many commands: a JSON array in, ``(seq, JSON array of outcomes)`` out."""
        request = admin_pb2.ExecuteCommandsRequest(commands_json=group)
        try:
            response = self._call(self._admin.ExecuteCommands, request)
        finally:
            if changes_prices(group):
                self._scales.prices_changed()
        return response.seq, response.outcomes_json

    def _query(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        asked = {key: value for key, value in request.items() if value is not None}
        response = self._call(
            self._admin.Query, admin_pb2.QueryRequest(query_json=msgspec.json.encode(asked))
        )
        return response.seq, answers.decode(response.answer_json, asked)

    def control(self, request: Request) -> Any:
        """Answer a call of the control plane; in effect when it returns. Repeated while that can help."""
        method = self._channel.unary_unary(over_grpc.path_of(request))
        try:
            return over_grpc.decoded(request, self._call(method, over_grpc.encoded(request)))
        finally:
            if request.right != "read":
                self._scales.prices_changed()

    def balance(self, account: str, credit_type: str, at: InstantLike | None = None) -> Balance:
        """One pool, now or as of an instant (from the journal). Raises ``AccountNotFoundError``."""
        if at is not None:
            return self.balance_at(account, credit_type, at)
        seq, answer = self._query({"type": "balance", "account": account, "credit_type": credit_type})
        return answers.balance(answer, seq)

    def balances(self, account: str) -> list[Balance]:
        """All pools of the account, by credit type."""
        seq, answer = self._query({"type": "balances", "account": account})
        return [answers.balance(each, seq) for each in answer["balances"]]

    def grants(self, account: str, credit_type: str | None = None) -> list[Grant]:
        """All grants of the account, in burn-down order."""
        wanted = {"type": "grants", "account": account, "credit_type": credit_type, "limit": GRANTS_PER_PAGE}
        seq, answer = self._query(wanted)
        found = answers.grants(answer, seq)
        while answer.get("next"):
            seq, answer = self._query({**wanted, "after": answer["next"]})
            # One that left memory between two pages may be on both.
            found |= answers.grants(answer, seq)
        return list(found.values())

    def account(self, account: str) -> Account:
        """The account itself. Raises ``AccountNotFoundError``."""
        seq, answer = self._query({"type": "account", "account": account})
        return answers.account(answer, seq)

    def accounts(self, prefix: str = "", *, after: str = "", limit: int = 1000) -> list[Account]:
        """At most ``limit`` accounts whose ids start with ``prefix`` and stand after ``after``, by id."""
        seq, answer = self._query(
            dict(type="accounts", prefix=prefix or None, after=after or None, limit=limit)
        )
        return [answers.account(each, seq) for each in answer["accounts"]]

    def catalog(self) -> Catalog:
        """Credit types, meters and rate tables."""
        seq, answer = self._query({"type": "catalog"})
        return answers.catalog(answer, seq)

    def verify(self, account: str | None = None) -> Conservation:
        """Whether every credit is accounted for. Cost grows with the grants looked at."""
        seq, answer = self._query({"type": "conservation", "account": account})
        return answers.conservation(answer, seq)

    def stats(self) -> dict[str, Any]:
        """Counters and gauges of the engine, by name."""
        response = self._call(self._admin.GetStats, admin_pb2.GetStatsRequest())
        figures: dict[str, Any] = msgspec.json.decode(response.engine_json)
        return figures

    def server_stats(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Counters and gauges of the engine, and of the server's process."""
        response = self._call(self._admin.GetStats, admin_pb2.GetStatsRequest())
        return msgspec.json.decode(response.engine_json), msgspec.json.decode(response.server_json)

    def query(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Any read of the engine as JSON: ``(seq, answer)``; see ``_engine.pyi``."""
        return self._query(request)

    def digest(self) -> str:
        """128-bit digest of the state, as hex; equal states have equal digests."""
        return str(self._call(self._admin.Verify, admin_pb2.VerifyRequest(digest=True)).digest)

    # For operators

    def snapshot(self, *, full: bool = False) -> dict[str, int]:
        """Complete one pass of the remote snapshot now. Raises ``PreconditionError`` where none is set up."""
        response = self._call(self._admin.SnapshotNow, admin_pb2.SnapshotNowRequest(full=full))
        return {
            "snapshot_seq": response.snapshot_seq,
            "accounts_written": response.accounts_written,
            "generation": response.generation,
        }

    def checkpoint(self) -> int:
        """Write a local checkpoint now; returns its journal position."""
        return int(self._call(self._admin.Checkpoint, admin_pb2.CheckpointRequest()).checkpoint_seq)

    def close(self) -> None:
        """Close the connection; calls in flight fail. A second call changes nothing."""
        self._session.close()
        self._channel.close()


def connect(
    target: str,
    *,
    api_key: str | None = None,
    timeout_s: float = 30.0,
    root_certificates: bytes | None = None,
    tls: Tls | None = None,
) -> Connection:
    """A database at ``HOST:PORT``, with the same interface as ``drawdown.open``.

    Nothing is sent before the first call. Plaintext unless ``root_certificates`` (PEM) or ``tls`` are given;
    ``tls`` also brings a client certificate.
    """
    return Connection(
        target, api_key=api_key, timeout_s=timeout_s, root_certificates=root_certificates, tls=tls
    )
