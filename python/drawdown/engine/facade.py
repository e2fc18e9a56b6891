"""One open engine with typed methods: every command and read of the engine by its name.

Writes return when they are durable. A refusal by rule is a result with ``.status``; input that
cannot be understood raises ``InvalidRequestError`` with ``.reason`` and ``.field``. Reads answer
applied state, which may be one commit group ahead of the disk; their ``seq`` says where.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from drawdown import _engine, errors, model
from drawdown.engine import answers
from drawdown.engine.ledger_reads import LedgerReads
from drawdown.engine.new_folder import owner_only_if_new
from drawdown.engine.snapshots import SnapshotReader
from drawdown.engine.translate import translating
from drawdown.model import commands
from drawdown.model.check_question import wrong_question
from drawdown.model.command_methods import CommandMethods
from drawdown.model.credits import AmountLike, credits_from_units, units_from_credits
from drawdown.model.ids import new_event_id
from drawdown.model.instants import InstantLike, instant_from_us, optional_us

# A disk that has not flushed for this long is broken; the outcome is then unknown to the caller.
DURABLE_TIMEOUT_S: Final = 60.0
PAGE: Final = 1000


class Engine(CommandMethods[model.CommandResult], LedgerReads):
    """The balance engine with its journal in one folder. Safe to call from any thread."""

    def __init__(self, raw: _engine.Engine) -> None:
        self._raw = raw
        self._scales: dict[str, int] = {}
        self._aggregations: dict[str, str] = {}
        # The extension's own bound methods: no Python frame between a stream and the engine.
        self.submit = raw.submit
        self.submit_check = raw.submit_check
        self.submit_checks = raw.submit_checks
        self.check_units = raw.check
        self.record_units = raw.record
        self.scale_of_use = raw.scale_of_use
        self.durable_seq = raw.durable_seq
        self.applied_seq = raw.applied_seq
        self.notify_fd = raw.notify_fd
        self.watch = raw.watch
        self.unwatch = raw.unwatch
        self.take_changed = raw.take_changed
        self.next_transition = raw.next_transition
        self.store_id = raw.store_id
        self.snapshots = SnapshotReader(raw)
        self.recovered_seq: int = raw.durable_seq()
        """Where the journal ended when the folder was opened."""
        self.opening = secrets.token_hex(8)
        """Of this opening alone: a copy of the folder opened elsewhere has another."""
        self.guard: Callable[[bytes, str], None] | None = None
        """Sees every group, and its caller's prefix, before the engine does and may raise; ``apply_json``
        goes past it."""
        self.completion: Callable[[bytes], bytes] | None = None
        """Gives every group as the engine is to take it; ``apply_json`` goes past it."""
        self.follower: Callable[[bytes, bytes], None] | None = None
        """Sees every group with its outcomes once it is durable; ``apply_json`` goes past it."""

    @classmethod
    def open(cls, path: str, settings: Mapping[str, Any] | None = None) -> "Engine":
        """Lock the folder, recover and be ready; a folder that is absent is created, open to its owner only.

        Raises ``FolderLockedError``, ``CorruptDataError``, ``InvalidRequestError`` (a setting).
        """
        with translating(), owner_only_if_new(path):
            return cls(_engine.Engine.open(path, msgspec.json.encode(dict(settings or {}))))

    def close(self) -> None:
        """Flush, checkpoint, unlock. Later calls raise ``EngineHaltedError``. Idempotent."""
        with translating():
            self._raw.close()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Writes

    def execute_json(self, group: bytes, *, account_prefix: str = "") -> tuple[int, bytes]:
        """One atomic group as a JSON array; durable when it returns ``(seq, outcomes)``."""
        if self.guard is not None:
            self.guard(group, account_prefix)
        if self.completion is not None:
            group = self.completion(group)
        seq, outcomes = self.apply_json(group, account_prefix=account_prefix)
        self.wait_durable(seq)
        if self.follower is not None:
            self.follower(group, outcomes)
        return seq, outcomes

    def apply_json(self, group: bytes, *, account_prefix: str = "") -> tuple[int, bytes]:
        """``execute_json`` for a caller that waits for several groups at once with ``wait_durable``."""
        with translating():
            return self._raw.execute(group, account_prefix=account_prefix)

    def execute(
        self, group: Sequence[commands.Command | Mapping[str, Any]], *, account_prefix: str = ""
    ) -> list[model.CommandResult]:
        """Apply one atomic group: all of it or nothing.

        Where one command is refused its result carries the status and the others ``NOT_APPLIED``.
        Raises ``InvalidRequestError`` naming the field where one cannot be understood.
        """
        seq, outcomes = self.execute_json(commands.encode_group(group), account_prefix=account_prefix)
        return answers.outcomes_from_json(outcomes, seq)

    def _one(self, command: commands.Command) -> model.CommandResult:
        (result,) = self.execute([command])
        return result

    def record(
        self,
        account: str,
        *,
        meter: str | None = None,
        quantity: int | None = None,
        credit_type: str | None = None,
        credits: AmountLike | None = None,
        event_id: str | None = None,
        time: InstantLike | None = None,
        dimensions: Mapping[str, str] | None = None,
        force: bool = False,
    ) -> model.UsageResult:
        """Apply one usage event exactly once; durable when it returns.

        Either ``meter`` and ``quantity`` (10^-quantity_scale of its unit) or a direct debit of
        ``credits`` of ``credit_type``. Give ``event_id`` and ``time`` and repeat both on a retry.
        """
        direct, subject, amount = self._subject(meter, quantity, credit_type, credits)
        known_id = new_event_id() if event_id is None else event_id
        pairs = tuple(sorted(dimensions.items())) if dimensions else ()
        with translating():
            recorded = self._raw.record(
                account, subject, amount, known_id, optional_us(time), pairs, direct=direct, force=force
            )
        self.wait_durable(recorded.seq)
        return answers.usage(recorded, known_id)

    def _subject(
        self,
        meter: str | None,
        quantity: int | None,
        credit_type: str | None,
        credits: AmountLike | None,
    ) -> tuple[bool, str, int]:
        if meter is not None and credit_type is None and credits is None:
            return False, meter, 1 if quantity is None else quantity
        if credit_type is not None and meter is None and quantity is None and credits is not None:
            return True, credit_type, units_from_credits(credits, self.scale(credit_type), "credits")
        raise errors.InvalidRequestError(
            "meter: give either meter and quantity, or credit_type and credits", field="meter"
        )

    def expire_due(self, grants_max: int) -> tuple[int, int, bool]:
        """Book breakage of at most ``grants_max`` due grants: ``(seq, booked, more_due)``.

        Not waited for: a late or repeated sweep changes nothing that could be spent.
        """
        with translating():
            return self._raw.expire_due(grants_max)

    # Reads

    def query_json(self, request: bytes) -> tuple[int, bytes]:
        """Any read as JSON: ``(seq, answer)``."""
        with translating():
            return self._raw.query(request)

    def _query(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        request = {key: value for key, value in request.items() if value is not None}
        with translating():
            encoded = msgspec.json.encode(request)
        seq, answer = self.query_json(encoded)
        return seq, answers.decode(answer, request)

    def index_journal(self) -> Iterator[model.IndexProgress]:
        """Make the indexes that are missing, one segment per step; what was reached after each.

        Every read here makes what it needs by itself; this is for showing how far it is.
        """
        progress = model.IndexProgress(closed_segments=1, indexed_segments=0)
        while progress.indexed_segments < progress.closed_segments:
            with translating():
                progress = msgspec.json.decode(self._raw.index_step(), type=model.IndexProgress)
            yield progress

    def check(
        self,
        account: str,
        meter: str,
        quantity: int = 1,
        dimensions: Mapping[str, str] | None = None,
    ) -> model.CheckResult:
        """May the account use this now? Changes nothing. ``check_units`` is the same at full speed.

        Raises ``InvalidRequestError`` for values of other types; what a record would be ``INVALID`` for is
        an answer here too.
        """
        pairs = tuple(sorted(dimensions.items())) if dimensions else ()
        try:
            with translating():
                return answers.check(self._raw.check(account, meter, quantity, pairs))
        except (TypeError, OverflowError) as raised:
            raise wrong_question(account, meter, quantity, raised) from raised

    def balance(self, account: str, credit_type: str) -> model.Balance:
        """One pool. Raises ``AccountNotFoundError``, ``NotFoundError`` (credit type)."""
        seq, answer = self._query({"type": "balance", "account": account, "credit_type": credit_type})
        return answers.balance(answer, seq)

    def overage(self, account: str, credit_type: str) -> list[tuple[datetime, Decimal]]:
        """Usage periods with credits past zero, by their start, oldest first."""
        _, answer = self._query({"type": "balance", "account": account, "credit_type": credit_type})
        scale = int(answer["scale"])
        return [
            (instant_from_us(start), credits_from_units(credits, scale))
            for start, credits in answer["overage_periods"]
        ]

    def balances(self, account: str) -> list[model.Balance]:
        """Every pool of the account. Raises ``AccountNotFoundError``."""
        seq, answer = self._query({"type": "balances", "account": account})
        return [answers.balance(each, seq) for each in answer["balances"]]

    def grants_page(
        self,
        account: str,
        *,
        credit_type: str | None = None,
        after: str | None = None,
        limit: int = PAGE,
        ended: bool = True,
    ) -> tuple[list[model.Grant], str | None]:
        """At most ``limit`` grants, and what the next page is ``after``; ``None``: there is none.

        In burn-down order; behind them those that ended and have left memory, in the order in which they
        left, unless ``ended`` is false: these are read from the journal kept. None that stays as it is
        is missing; one that leaves memory between two pages may be on both.
        """
        seq, answer = self._query(
            {
                "type": "grants",
                "account": account,
                "credit_type": credit_type,
                "after": after,
                "limit": limit,
                "ended": ended,
            }
        )
        return [answers.grant(each, seq) for each in answer["grants"]], answer.get("next")

    def grants(
        self, account: str, *, credit_type: str | None = None, ended: bool = True
    ) -> list[model.Grant]:
        """Every grant of the account, as ``grants_page``. Raises ``AccountNotFoundError``."""
        page, after = self.grants_page(account, credit_type=credit_type, ended=ended)
        found = {each.grant_id: each for each in page}
        while after is not None:
            page, after = self.grants_page(account, credit_type=credit_type, after=after, ended=ended)
            found |= {each.grant_id: each for each in page}
        return list(found.values())

    def grant(self, account: str, grant_id: str) -> model.Grant:
        """One grant. Raises ``AccountNotFoundError``, ``GrantNotFoundError``.

        ``NotFoundError`` with reason ``BEYOND_RETENTION`` if the journal kept no longer reaches back to it.
        """
        seq, answer = self._query({"type": "grant", "account": account, "grant_id": grant_id})
        return answers.grant(answer["grant"], seq)

    def reservations_page(
        self, account: str | None = None, *, after: tuple[str, str] | None = None, limit: int = PAGE
    ) -> tuple[list[model.OpenReservation], bool]:
        """At most ``limit`` open reservations behind ``(account, reservation_id)``, and whether more follow.

        Of one account or of all, each account's in order of id. Raises ``AccountNotFoundError``.
        """
        behind = None if after is None else {"account": after[0], "reservation_id": after[1]}
        seq, answer = self._query(
            {"type": "reservations", "account": account, "after": behind, "limit": limit}
        )
        found = [answers.reservation(each, seq) for each in answer["reservations"]]
        return found, bool(answer.get("more", False))

    def account(self, account: str) -> model.Account:
        """One account. Raises ``AccountNotFoundError``."""
        seq, answer = self._query({"type": "account", "account": account})
        return answers.account(answer, seq)

    def accounts(
        self, *, prefix: str = "", after: str | None = None, limit: int = PAGE
    ) -> tuple[list[model.Account], bool]:
        """At most ``limit`` accounts in order of id behind ``after``, and whether more follow."""
        seq, answer = self._query(
            {"type": "accounts", "prefix": prefix or None, "after": after, "limit": limit}
        )
        return [answers.account(each, seq) for each in answer["accounts"]], bool(answer.get("more", False))

    def catalog(self) -> model.Catalog:
        """Credit types, meters and rate tables."""
        seq, answer = self._query({"type": "catalog"})
        return answers.catalog(answer, seq)

    def conservation(self, account: str | None = None) -> model.Conservation:
        """Is every credit accounted for (semantics §4.8)? Cost grows with the accounts looked at."""
        seq, answer = self._query({"type": "conservation", "account": account})
        return answers.conservation(answer, seq)

    def crossings(self, cursor: int = 0, limit: int = 1000) -> tuple[int, list[model.Crossing]]:
        """Crossings behind journal position ``cursor``: ``(next cursor, crossings)``."""
        with translating():
            following, found = self._raw.take_crossings(cursor, limit)
        return following, [answers.crossing(each) for each in msgspec.json.decode(found)]

    def changes(self, cursor: int = 0, limit: int = 1000) -> tuple[int, list[model.Change]]:
        """The same for every change that somebody is told of, crossings among them."""
        with translating():
            following, found = self._raw.take_changes(cursor, limit)
        return following, [answers.change(each) for each in msgspec.json.decode(found)]

    def usage(self, since_us: int, until_us: int, *, prefix: str = "", top: int | None = None) -> list[Any]:
        """Sums of usage by account, meter, credit type and day; with ``top`` the accounts charged most.

        Rows ``[account, meter, quantity scale, credit type, scale, day, events, quantity, charged]``,
        figures in smallest units. Goes through the journal; raises ``InvalidRequestError`` for more than a
        million rows.
        """
        _, answer = self._query(
            {"type": "usage", "since": since_us, "until": until_us, "prefix": prefix, "top": top}
        )
        rows: list[Any] = answer["rows"]
        return rows

    def test_clocks(self, prefix: str = "") -> dict[str, int]:
        """Where the clocks of accounts that have one of their own stand, in microseconds."""
        _, answer = self._query({"type": "test_clocks", "prefix": prefix})
        return dict(answer["clocks"])

    def scale(self, credit_type: str) -> int:
        """Decimals of a credit type. Raises ``NotFoundError``."""
        known = self._scales.get(credit_type)
        if known is None:
            self._scales = {each.name: each.scale for each in self.catalog().credit_types}
            known = self._scales.get(credit_type)
        if known is None:
            raise errors.NotFoundError(
                f"there is no credit type {credit_type!r}; create it first",
                reason="CREDIT_TYPE_UNKNOWN",
                field="credit_type",
            )
        return known

    def aggregation(self, meter: str) -> str | None:
        """How a meter counts, which never changes; ``None`` where there is no such meter."""
        if meter not in self._aggregations:
            self._aggregations = {each.key: each.aggregation for each in self.catalog().meters}
        return self._aggregations.get(meter)

    # Durability and housekeeping

    def wait_durable(self, seq: int, timeout_s: float = DURABLE_TIMEOUT_S) -> None:
        """Return when ``seq`` is on disk.

        Raises ``UnavailableError`` after ``timeout_s``: the outcome is unknown, retry with the same ids.
        """
        if seq <= self._raw.durable_seq():
            return
        with translating():
            if self._raw.wait_durable(seq, timeout_s):
                return
        raise errors.UnavailableError(
            f"journal position {seq} was not on disk within {timeout_s:g} s; "
            "it may still be applied: retry with the same ids"
        )

    def now_us(self) -> int:
        """The engine's stamp of now, microseconds UTC.

        It never falls while the process lives, and follows no step of the wall clock over an hour.
        """
        with translating():
            return self._raw.now_us()

    def keep_now_us(self) -> int:
        """``now_us``, durable when this returns: no restart goes back behind it, wherever the clock is.

        For work whose results are kept elsewhere. Raises what ``execute`` raises.
        """
        with translating():
            seq, stamp_us = self._raw.keep_now()
        self.wait_durable(seq)
        return stamp_us

    def wait_group(self, behind_seq: int, timeout_s: float) -> int:
        """The durable position, once it is behind ``behind_seq`` or the time is up. Raises when halted."""
        with translating():
            self._raw.wait_durable(behind_seq + 1, timeout_s)
            return self._raw.durable_seq()

    def checkpoint(self) -> int:
        """Write a local checkpoint now; answers the journal position it starts at."""
        with translating():
            return self._raw.checkpoint()

    def digest(self) -> str:
        """128-bit order-independent digest of the state, as hex. Cost grows with accounts."""
        with translating():
            return self._raw.digest()

    def floor_us(self) -> int:
        """The acceptance floor: events dated below it are ``TOO_LATE``. Never falls."""
        return int(self.stats()["dedupe_floor_us"])

    def epoch(self) -> int:
        """Grows with each start of an engine on this folder; an older one may write nowhere."""
        return int(self.stats()["epoch"])

    def stats(self) -> dict[str, Any]:
        """Counters and gauges of engine and journal."""
        with translating():
            figures: dict[str, Any] = msgspec.json.decode(self._raw.stats())
        return figures
