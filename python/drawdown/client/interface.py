"""The one interface: what a database can be asked, embedded and over gRPC alike.

The commands come as methods from ``CommandMethods``; a form of the database supplies ``execute``,
the usage calls and the reads. Refusals by rule are results with a
``.status``; input that cannot be taken raises ``InvalidRequestError`` with ``.field``.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from drawdown.client.control import ControlMethods
from drawdown.client.recorder import Recorder, RecorderOptions
from drawdown.client.reservation import Reservation
from drawdown.client.usage_event import UsageEvent
from drawdown.client.watch import NoticeWatch, Watch
from drawdown.model import (
    Account,
    AmountLike,
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
    new_event_id,
)
from drawdown.model.command_methods import CommandMethods, require_valid
from drawdown.model.reservation_commands import TtlLike

EventLike = UsageEvent | Mapping[str, Any]
CheckLike = tuple[str, str] | tuple[str, str, int] | tuple[str, str, int, Mapping[str, str]]
"""``(account, meter[, quantity[, dimensions]])``."""


class Database(CommandMethods[CommandResult], ControlMethods):
    """Accounts, grants, meters and usage behind one door. Safe to call from any thread."""

    # Usage

    def record(
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

        ``quantity`` counts 10^-quantity_scale of the meter's unit; with ``credit_type`` and
        ``credits`` it is a direct debit instead. Raises ``InvalidRequestError`` (mend the input);
        ``UnavailableError`` leaves the outcome open: repeat with the same ``event_id``.
        """
        return self.record_batch(
            [
                UsageEvent(
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
            ]
        )[0]

    @abc.abstractmethod
    def record_batch(self, events: Iterable[EventLike]) -> list[UsageResult]:
        """Debit many uses; each is one atomic step, none fails its neighbours. In the order given."""

    @abc.abstractmethod
    def recorder(
        self, batch: int = 1000, linger_ms: float = 5, options: RecorderOptions | None = None
    ) -> Recorder:
        """A stream of usage: batched, bounded in memory, re-sent with the same ids after a break."""

    # Entitlement

    def check(
        self, account: str, meter: str, *, quantity: int = 1, dimensions: Mapping[str, str] | None = None
    ) -> CheckResult:
        """May a record of the same be ``OK`` now? Truthy iff so; changes nothing."""
        return self.check_batch([(account, meter, quantity, dimensions or {})])[0]

    @abc.abstractmethod
    def check_batch(self, checks: Iterable[CheckLike]) -> list[CheckResult]:
        """Many checks, answered in the order given."""

    @abc.abstractmethod
    def watch_balances(self, accounts: Iterable[str], credit_type: str | None = None) -> Watch[Balance]:
        """Every pool of these accounts (1–1000), then each again when it changes, within milliseconds.

        Quick changes are conflated: what comes is the newest state, durable. An account that does not
        exist yet appears once it does. Iterate, and close it: ``with db.watch_balances([…]) as watch``.
        """

    @abc.abstractmethod
    def watch_entitlements(self, checks: Iterable[CheckLike]) -> Watch[EntitlementChange]:
        """The answer to each question (1–1000), then each again when it changes; as ``watch_balances``."""

    @abc.abstractmethod
    def watch_notices(
        self, account: str = "", *, kinds: Iterable[str] = (), after: int | None = None
    ) -> NoticeWatch:
        """Notices as they are stored, of one account or of all: pushed, each once, in order.

        Begins behind the cursor ``after`` (0: with the oldest), or with what comes from now on. Keep the
        watch's ``cursor`` to go on from there after a restart, also where nothing was told for long; a
        connection that breaks is mended in the same way by itself. Raises ``InvalidRequestError`` for an
        unknown kind.
        """

    # Reservations

    def reserve(
        self,
        account: str,
        meter: str | None = None,
        *,
        quantity: int | None = None,
        credit_type: str | None = None,
        credits: AmountLike | None = None,
        reservation_id: str | None = None,
        dimensions: Mapping[str, str] | None = None,
        ttl: TtlLike = 60,
        release_on_disconnect: bool = False,
    ) -> Reservation:
        """Set credits aside for work in progress; lapses after ``ttl`` seconds (at most 24 h).

        By ``quantity`` of a meter (default 1), or by ``credits`` of a meter or a credit type. A
        refusal is a falsy reservation with its ``.status``. In a ``with`` block, leaving without
        settling releases. With ``release_on_disconnect`` the server releases it too when this client
        goes away. Give ``reservation_id`` to make a retry by hand safe.
        """
        command = commands.reserve(
            account,
            new_event_id() if reservation_id is None else reservation_id,
            meter=meter,
            quantity=quantity,
            credit_type=credit_type,
            credits=credits,
            dimensions=dimensions,
            ttl=ttl,
        )
        return Reservation(self, command, self._reserve(command, release_on_disconnect))

    def settle(
        self,
        account: str,
        reservation_id: str,
        *,
        quantity: int | None = None,
        credits: AmountLike | None = None,
        refuse_extra: bool = False,
    ) -> SettleResult:
        """End a reservation with what was used; see ``Reservation.settle``."""
        return self._settle(
            commands.settle(
                account, reservation_id, quantity=quantity, credits=credits, refuse_extra=refuse_extra
            )
        )

    @abc.abstractmethod
    def release(self, account: str, reservation_id: str) -> ReleaseResult:
        """End a reservation with nothing used: everything returns. Twice changes nothing."""

    @abc.abstractmethod
    def reservations(self, account: str | None = None) -> list[OpenReservation]:
        """Reservations neither settled, released nor lapsed, of one account or of all."""

    @abc.abstractmethod
    def _reserve(self, command: commands.Reserve, release_on_disconnect: bool) -> ReservationResult:
        """Raises ``InvalidRequestError`` with its field."""

    @abc.abstractmethod
    def _settle(self, command: commands.Settle) -> SettleResult:
        """Raises ``InvalidRequestError`` with its field."""

    # Commands

    @abc.abstractmethod
    def execute(self, group: Sequence[commands.Command | Mapping[str, Any]]) -> tuple[CommandResult, ...]:
        """Apply commands as one atomic group: all or nothing, durable when this returns.

        One result per command. Where one was refused nothing was applied, and the others have
        status ``NOT_APPLIED``. An ``INVALID`` command is a result here too; the single-command
        methods raise.
        """

    def correct(
        self,
        account: str,
        event_id: str,
        *,
        quantity: int | None = None,
        credits: AmountLike | None = None,
        cancel: bool = False,
        correction_id: str | None = None,
        regrant: bool = False,
    ) -> CorrectionResult:
        """A past event was really of this ``quantity`` or ``credits``, or never was (``cancel``, final).

        Only the difference moves. With a ``correction_id`` a repeat is ``DUPLICATE``; without one,
        correcting to what holds already is. ``regrant`` makes a new grant of what would return to a
        voided or expired one. Raises ``InvalidRequestError``, ``PreconditionError`` (``regrant`` for an
        account that is closed).
        """
        return self._correct(
            commands.correct(
                account,
                event_id,
                quantity=quantity,
                credits=credits,
                cancel=cancel,
                correction_id=correction_id,
                regrant=regrant,
            )
        )

    @abc.abstractmethod
    def _correct(self, command: commands.Correct) -> CorrectionResult:
        """Raises ``InvalidRequestError`` with its field."""

    @abc.abstractmethod
    def execute_json(self, group: bytes) -> tuple[int, bytes]:
        """``execute`` for many commands: a JSON array in, ``(seq, JSON array of outcomes)`` out."""

    def _one(self, command: commands.Command) -> CommandResult:
        return require_valid(self.execute([command])[0])

    # Reads

    @abc.abstractmethod
    def balance(self, account: str, credit_type: str, at: InstantLike | None = None) -> Balance:
        """One pool, now or as of an instant (from the journal). Raises ``AccountNotFoundError``."""

    @abc.abstractmethod
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

    @abc.abstractmethod
    def usage_event(self, account: str, event_id: str) -> UsageRecord:
        """An event as it was recorded, and its corrections. Raises ``EventNotFoundError``."""

    @abc.abstractmethod
    def explain(self, account: str, event_id: str) -> Explanation:
        """Why an event cost what it did: rate, grants drawn, balance before and after, what followed."""

    @abc.abstractmethod
    def balances(self, account: str) -> list[Balance]:
        """All pools of the account, by credit type."""

    @abc.abstractmethod
    def grants(self, account: str, credit_type: str | None = None) -> list[Grant]:
        """All grants of the account, in burn-down order."""

    @abc.abstractmethod
    def account(self, account: str) -> Account:
        """The account itself. Raises ``AccountNotFoundError``."""

    @abc.abstractmethod
    def accounts(self, prefix: str = "", *, after: str = "", limit: int = 1000) -> list[Account]:
        """At most ``limit`` accounts whose ids start with ``prefix`` and stand after ``after``, by id."""

    @abc.abstractmethod
    def catalog(self) -> Catalog:
        """Credit types, meters and rate tables."""

    @abc.abstractmethod
    def verify(self, account: str | None = None) -> Conservation:
        """Whether every credit is accounted for. Cost grows with the grants looked at."""

    @abc.abstractmethod
    def stats(self) -> dict[str, Any]:
        """Counters and gauges of the engine, by name."""

    @abc.abstractmethod
    def digest(self) -> str:
        """128-bit digest of the state, as hex; equal states have equal digests. Cost grows with accounts."""

    @abc.abstractmethod
    def close(self) -> None:
        """End the use of this database. A second call changes nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
