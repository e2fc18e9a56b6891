"""The engine inside this process, as a ``Database``: one folder holds journal and checkpoints.

One process at a time owns a folder. Reads answer applied state, writes return when they are durable.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from drawdown.client.answers import not_definite_after
from drawdown.client.interface import CheckLike, Database, EventLike
from drawdown.client.recorder import Recorder, RecorderOptions
from drawdown.client.usage_event import encode_event, event_from, seal
from drawdown.client.watch import NoticeWatch, Watch
from drawdown.config import Config, load
from drawdown.embedded_notices import EmbeddedNoticeWatch
from drawdown.embedded_recorder import EmbeddedRecorder
from drawdown.embedded_watch import EmbeddedWatch, EmbeddedWatches
from drawdown.engine import BatchEncoder, Engine, RawEngineError, answers, translated
from drawdown.errors import AccountNotFoundError, DrawdownError, EngineHaltedError
from drawdown.model import (
    Account,
    Balance,
    Catalog,
    CheckResult,
    CommandResult,
    Conservation,
    CorrectionResult,
    EntitlementChange,
    Explanation,
    Grant,
    InstantLike,
    LedgerEntry,
    OpenReservation,
    ReleaseResult,
    ReservationResult,
    SettleResult,
    UsageRecord,
    UsageResult,
    commands,
)
from drawdown.model.ids import check_id
from drawdown.model.request import Request
from drawdown.model.reservation_results import (
    NOTHING_OPEN,
    correction_result,
    release_result,
    reservation_result,
    settle_result,
)

if TYPE_CHECKING:
    from drawdown.payments import PaymentProvider
    from drawdown.runtime.background import Background
    from drawdown.runtime.control.control_plane import ControlPlane
    from drawdown.runtime.control.relay import Relay
    from drawdown.runtime.control.retention import Retention
    from drawdown.runtime.control.webhooks import Webhooks

_log = logging.getLogger("drawdown.client")

# Reservations to release at close that are kept before it is asked which of them are still open.
RELEASES_KEPT: Final = 1024
# Its presence says that this folder has a control plane, whose jobs go on from where they were.
CONTROL_FILE: Final = "control.sqlite3"
# Its presence says that the control plane is in another database, which then has to be named.
CONTROL_ELSEWHERE: Final = "control.elsewhere"


class EmbeddedDatabase(Database):
    """See ``Database``. Safe to call from any thread, and in the process that opened it alone.

    In a process forked from that every call raises ``EngineHaltedError`` (nothing applied) and ``close``
    does nothing: the folder is the parent's.
    """

    def __init__(self, engine: Engine, path: str, config: Config | None = None) -> None:
        self.engine = engine
        self.path = path
        self._config = config or Config()
        self._recovered_seq = engine.durable_seq()
        self._opening = threading.RLock()
        self._pid = os.getpid()
        self._plane: ControlPlane | None = None
        self._background: list[Background] = []
        self._relay: Relay | None = None
        self._webhooks: Webhooks | None = None
        self._retention: Retention | None = None
        kept = (Path(path) / CONTROL_FILE, Path(path) / CONTROL_ELSEWHERE)
        if self._config.process.db or any(each.exists() for each in kept):
            self._control_plane()
        self._watches = EmbeddedWatches(engine)
        self._notice_watches: set[EmbeddedNoticeWatch] = set()
        # Reservations to release when the database is closed in order; after a crash they lapse.
        self._released_at_close: set[tuple[str, str]] = set()
        self._releases_looked_through_at = RELEASES_KEPT

    def record_batch(self, events: Iterable[EventLike]) -> list[UsageResult]:
        """Debit many uses; each is one atomic step, none fails its neighbours. In the order given."""
        sealed = [seal(event_from(event), self.engine.scale, stamps=False) for event in events]
        for event in sealed:
            # Nothing is applied when one of them cannot be taken, as over gRPC.
            encode_event(BatchEncoder(), event)
        results: list[UsageResult] = []
        with not_definite_after(results):
            try:
                for event in sealed:
                    recorded = self.engine.record_units(
                        event.account,
                        event.subject,
                        event.quantity,
                        event.event_id,
                        event.time_us,
                        event.dimensions,
                        direct=event.direct,
                        force=event.force,
                    )
                    results.append(answers.usage(recorded, event.event_id))
            except RawEngineError as raised:
                raise translated(raised) from raised
            finally:
                # Also where one could not be taken: those before it are applied, and as durable as any.
                if results:
                    self.engine.wait_durable(max(each.seq for each in results))
        return results

    def recorder(
        self, batch: int = 1000, linger_ms: float = 5, options: RecorderOptions | None = None
    ) -> Recorder:
        """A stream of usage: batched and bounded in memory; batches go straight to the engine."""
        return EmbeddedRecorder(
            self.engine, batch=batch, linger_ms=linger_ms, options=options or RecorderOptions()
        )

    def check(
        self, account: str, meter: str, *, quantity: int = 1, dimensions: Mapping[str, str] | None = None
    ) -> CheckResult:
        """May a record of the same be ``OK`` now? Truthy iff so. ``engine.check_units`` is the same raw."""
        return self.engine.check(account, meter, quantity, dimensions)

    def check_batch(self, checks: Iterable[CheckLike]) -> list[CheckResult]:
        """Many checks, answered in the order given from applied state."""
        return [self.engine.check(*asked) for asked in checks]

    def watch_balances(self, accounts: Iterable[str], credit_type: str | None = None) -> Watch[Balance]:
        """Every pool of these accounts, then each again when it changes."""

        def read(account: str) -> list[Balance]:
            try:
                found = self.engine.balances(account)
            except AccountNotFoundError:
                return []
            return [each for each in found if credit_type is None or each.credit_type == credit_type]

        ids = [check_id(account, "accounts") for account in accounts]
        return EmbeddedWatch(self._watches, ids, read)

    def watch_entitlements(self, checks: Iterable[CheckLike]) -> Watch[EntitlementChange]:
        """The answer to each question, then each again when it changes."""
        asked = list(checks)

        def read(account: str) -> list[EntitlementChange]:
            return [
                EntitlementChange(index=index, account=account, meter=each[1], check=self.engine.check(*each))
                for index, each in enumerate(asked)
                if each[0] == account
            ]

        return EmbeddedWatch(self._watches, [check_id(each[0], "account") for each in asked], read)

    def watch_notices(
        self, account: str = "", *, kinds: Iterable[str] = (), after: int | None = None
    ) -> NoticeWatch:
        """Notices as they are stored, of one account or of all, from now on or behind a cursor."""
        watch = EmbeddedNoticeWatch(self._control_plane(), account, kinds, after, self._notice_watches)
        self._notice_watches.add(watch)
        return watch

    def _reserve(self, command: commands.Reserve, release_on_disconnect: bool) -> ReservationResult:
        result = reservation_result(self._one(command), command.reservation_id)
        # A repeat is of what stands in the set already, or of what was made to outlive this object.
        if release_on_disconnect and result.status == "OK":
            self._released_at_close.add((command.account, command.reservation_id))
            if len(self._released_at_close) >= self._releases_looked_through_at:
                self._forget_ended()
        return result

    def _forget_ended(self) -> None:
        """Forget reservations that have lapsed, or were ended otherwise than through this object."""
        kept = tuple(self._released_at_close)
        open_now = {(each.account, each.reservation_id) for each in self.reservations()}
        self._released_at_close.difference_update(each for each in kept if each not in open_now)
        self._releases_looked_through_at = max(RELEASES_KEPT, 2 * len(self._released_at_close))

    def _settle(self, command: commands.Settle) -> SettleResult:
        result = settle_result(self._one(command))
        if result.status in NOTHING_OPEN:
            self._released_at_close.discard((command.account, command.reservation_id))
        return result

    def release(self, account: str, reservation_id: str) -> ReleaseResult:
        """End a reservation with nothing used: everything returns. Twice changes nothing."""
        result = release_result(self._one(commands.release(account, reservation_id)))
        if result.status in NOTHING_OPEN:
            self._released_at_close.discard((account, reservation_id))
        return result

    def reservations(self, account: str | None = None) -> list[OpenReservation]:
        """Reservations neither settled, released nor lapsed, of one account or of all."""
        found: list[OpenReservation] = []
        more = True
        while more:
            after = (found[-1].account, found[-1].reservation_id) if found else None
            page, more = self.engine.reservations_page(account, after=after)
            found += page
            more = more and bool(page)
        return found

    def _correct(self, command: commands.Correct) -> CorrectionResult:
        return correction_result(self._one(command))

    def execute(self, group: Sequence[commands.Command | Mapping[str, Any]]) -> tuple[CommandResult, ...]:
        """Apply commands as one atomic group: all or nothing, durable when this returns."""
        seq, outcomes = self.execute_json(commands.encode_group(group))
        return tuple(answers.outcomes_from_json(outcomes, seq))

    def execute_json(self, group: bytes) -> tuple[int, bytes]:
        """``execute`` for many commands: a JSON array in, ``(seq, JSON array of outcomes)`` out."""
        self._require_own_process()
        return (self._plane or self.engine).execute_json(group)

    def control(self, request: Request) -> Any:
        """Answer a call of the control plane; its database is opened by the first."""
        return self._control_plane().call(request)

    def payment_provider(self) -> PaymentProvider:
        """The provider that this database asks for money (setting ``payments``)."""
        return self._control_plane().provider

    def _require_own_process(self) -> None:
        """Raises ``EngineHaltedError`` in a forked one: connections of SQL are the parent's as well."""
        if self._pid != os.getpid():
            raise EngineHaltedError(
                f"this database was opened in process {self._pid}, and this is another one, forked from it: "
                "nothing was applied; open databases in processes that are started, not forked",
                definite=True,
            )

    def _control_plane(self) -> ControlPlane:
        """The control plane, opened on first use: who only counts usage has no SQL database."""
        self._require_own_process()
        with self._opening:
            if self._plane is None:
                from drawdown.runtime.control.opening import open_control
                from drawdown.runtime.control.relay import Relay
                from drawdown.runtime.control.retention import retention_of
                from drawdown.runtime.control.runway_watch import runway_watch_of
                from drawdown.runtime.control.scheduler import Scheduler
                from drawdown.runtime.control.webhooks import Webhooks
                from drawdown.runtime.sweeper import Sweeper

                process = msgspec.structs.replace(self._config.process, data=self.path)
                self._plane = open_control(
                    self.engine,
                    process,
                    self._config.engine,
                    recovered_seq=self._recovered_seq,
                )
                scheduler = Scheduler(
                    self._plane,
                    interval_s=process.scheduler_interval_ms / 1000,
                    jobs=process.scheduler_jobs,
                    share_percent=process.scheduler_share_percent,
                )
                # Only with the control plane: without it nobody is told what time does to a balance.
                sweeper = Sweeper(
                    self.engine,
                    interval_s=process.sweep_interval_ms / 1000,
                    grants=process.sweep_grants,
                    share_percent=process.sweep_share_percent,
                    is_held=lambda: scheduler.behind,
                )
                self._relay = Relay(self._plane)
                self._webhooks = Webhooks(self._plane)
                runway_watch = runway_watch_of(self._plane, process)
                self._retention = retention_of(self._plane, process)
                started = (scheduler, self._relay, self._webhooks, sweeper, runway_watch, self._retention)
                self._background = [each.background for each in started if each is not None]
                for each in self._background:
                    each.start()
            return self._plane

    def balance(self, account: str, credit_type: str, at: InstantLike | None = None) -> Balance:
        """One pool, now or as of an instant (from the journal). Raises ``AccountNotFoundError``."""
        if at is not None:
            return self.engine.balance_at(account, credit_type, at)
        return self.engine.balance(account, credit_type)

    def ledger(
        self,
        account: str,
        *,
        credit_type: str | None = None,
        kinds: Sequence[str] | None = None,
        after_seq: int | None = None,
        before_seq: int | None = None,
        oldest_first: bool = False,
    ) -> Iterator[LedgerEntry]:
        """Every entry of the account, newest first, fetched page by page as they are taken."""
        return self.engine.ledger(
            account,
            credit_type=credit_type,
            kinds=kinds,
            after_seq=after_seq,
            before_seq=before_seq,
            oldest_first=oldest_first,
        )

    def usage_event(self, account: str, event_id: str) -> UsageRecord:
        """An event as it was recorded, and its corrections. Raises ``EventNotFoundError``."""
        return self.engine.usage_event(account, event_id)

    def explain(self, account: str, event_id: str) -> Explanation:
        """Why an event cost what it did: rate, grants drawn, balance before and after, what followed."""
        return self.engine.explain(account, event_id)

    def balances(self, account: str) -> list[Balance]:
        """All pools of the account, by credit type."""
        return self.engine.balances(account)

    def grants(self, account: str, credit_type: str | None = None) -> list[Grant]:
        """All grants of the account, in burn-down order."""
        return self.engine.grants(account, credit_type=credit_type)

    def account(self, account: str) -> Account:
        """The account itself. Raises ``AccountNotFoundError``."""
        return self.engine.account(account)

    def accounts(self, prefix: str = "", *, after: str = "", limit: int = 1000) -> list[Account]:
        """At most ``limit`` accounts whose ids start with ``prefix`` and stand after ``after``, by id."""
        return self.engine.accounts(prefix=prefix, after=after or None, limit=limit)[0]

    def catalog(self) -> Catalog:
        """Credit types, meters and rate tables."""
        return self.engine.catalog()

    def verify(self, account: str | None = None) -> Conservation:
        """Whether every credit is accounted for. Cost grows with the grants looked at."""
        return self.engine.conservation(account)

    def stats(self) -> dict[str, Any]:
        """Counters and gauges of the engine, by name."""
        return self.engine.stats()

    def digest(self) -> str:
        """128-bit digest of the state, as hex; equal states have equal digests."""
        return self.engine.digest()

    def checkpoint(self) -> int:
        """Write a local checkpoint now; returns its journal position."""
        return self.engine.checkpoint()

    def close(self) -> None:
        """Flush, checkpoint and release the folder. A second call changes nothing."""
        if self._pid != os.getpid():
            return
        try:
            self._watches.close()
            for watch in tuple(self._notice_watches):
                watch.close()
            self._release_held()
            self._close_control_plane()
        finally:
            self.engine.close()

    def _release_held(self) -> None:
        """Release what was reserved so; where the engine cannot, the holds lapse by themselves."""
        held = tuple(self._released_at_close)
        self._released_at_close.clear()
        for position, (account, reservation_id) in enumerate(held):
            try:
                self.release(account, reservation_id)
            except DrawdownError as error:
                # The others would each wait for the same disk.
                _log.warning(
                    "%d reservations were not released at the close, from %r of account %r on; they lapse by "
                    "themselves: %s",
                    len(held) - position,
                    reservation_id,
                    account,
                    error,
                )
                return

    def _close_control_plane(self) -> None:
        with self._opening:
            for each in self._background:
                each.stop()
            self._background = []
            if self._webhooks is not None:
                self._webhooks.stop()
            self._webhooks = self._relay = self._retention = None
            if self._plane is not None:
                self._plane.close()
                self._plane = None


def open(path: str | PathLike[str], **settings: Any) -> EmbeddedDatabase:
    """Open the engine on a folder, created if it is absent or empty, with recovery done.

    ``settings`` are those of the server that shape the engine (docs/settings.md), for example
    ``fsync="always"``; the environment is not read. Raises ``FolderLockedError`` while another
    process owns the folder, ``CorruptDataError`` naming file and offset, ``ConfigError`` for an
    unknown setting.
    """
    return open_configured(path, load(flags=settings, environment={}))


def open_configured(path: str | PathLike[str], config: Config) -> EmbeddedDatabase:
    """``open`` with settings that were already read, from wherever."""
    folder = fspath(path)
    engine = Engine.open(folder, config.engine_settings())
    try:
        return EmbeddedDatabase(engine, folder, config)
    except BaseException:
        # The folder is free again for whoever tries next.
        engine.close()
        raise
