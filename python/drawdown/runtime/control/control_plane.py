"""The control plane: one object behind every door, one way for every call.

::

    call → transaction { handler reads, rules decide, rows + outbox + jobs + notices } → commands to the
    engine → jobs due now in the lanes it touched → answer

A crash anywhere leaves either nothing, or a durable transaction whose commands and jobs are done at the
next start: the engine takes each command once, a job's key exists once.
"""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from drawdown import errors
from drawdown.billing.page import Party
from drawdown.billing.recharge import SUSPENDED
from drawdown.billing.retrying import retries_from
from drawdown.billing.totals import NoTax, TaxRule
from drawdown.engine import Engine
from drawdown.model.commands import AdvanceClock, ReleaseGrant, encode_group
from drawdown.model.instants import us_from_instant
from drawdown.model.request import Request
from drawdown.model.request_check import check_request
from drawdown.notices import AddressPolicy
from drawdown.payments import ManualProvider, PaymentProvider
from drawdown.runtime.control.closed_accounts import ClosedAccounts
from drawdown.runtime.control.delivery import Delivery, is_refused
from drawdown.runtime.control.fault_points import pass_point
from drawdown.runtime.control.job_runner import JobRunner
from drawdown.runtime.control.recharge_calls import try_held_back
from drawdown.runtime.control.recharge_thresholds import note_levels, with_recharge_thresholds
from drawdown.runtime.control.recovering import recover_from
from drawdown.runtime.control.registry import CALLS
from drawdown.runtime.control.signing_up import accounts_of, signups_of
from drawdown.runtime.control.step import Step, account_closed, closed_to_regrants
from drawdown.storage.recovery_gap import close_gap, gap_of
from drawdown.storage.sql import SqlDatabase
from drawdown.storage.sql.new_line import RESTORES
from drawdown.subscriptions.identifiers import lane_aside

_log = logging.getLogger("drawdown.control")

JOBS_PER_CALL: Final = 1_000
_RESUMING: Final = "resume_account"
_LIFE_GIVING: Final = frozenset({_RESUMING, "create_grant", "void_and_replace"})
# A field, not a command: corrections without it give nobody a grant.
_REGRANT: Final = frozenset({"regrant"})
_CLOCK: Final = frozenset({"advance_clock"})
_MENDED_BY_NO_JOB: Final = frozenset(
    {"INVALID", "CONFLICT", "ACCOUNT_UNKNOWN", "CREDIT_TYPE_UNKNOWN", "METER_UNKNOWN", "EVENT_UNKNOWN"}
)
_MAKING: Final = frozenset({"create_account"})


class ControlPlane:
    """Answers calls, runs jobs. Safe to call from any thread but the event loop's: it blocks."""

    def __init__(
        self,
        engine: Engine,
        sql: SqlDatabase,
        *,
        provider: PaymentProvider | None = None,
        tax_rule: TaxRule | None = None,
        seller: Party | None = None,
        webhook_policy: AddressPolicy | None = None,
        folder: Path | None = None,
        expiring_soon_s: tuple[int, ...] = (),
        invoice_grace_s: int = 3_600,
        invoice_hold_factor: int = 100,
        dedupe_window_s: int = 35 * 86_400,
        early_margin_s: int = 300,
        payment_retry_days: str = "1,3,5,7",
        after_retries: str = "cancel",
        chargeback_policy: str = "freeze",
    ) -> None:
        """Over an open engine and an open database. The engine's stamp is the time here too."""
        # Importing the concepts' files fills the registries.
        from drawdown.runtime.control import concepts

        assert concepts
        self.engine = engine
        self.sql = sql
        self.provider = provider or ManualProvider()
        self.tax_rule = tax_rule or NoTax()
        self.seller = seller or Party(name="")
        self.webhook_policy = webhook_policy or AddressPolicy()
        self.folder = folder
        """The engine's data folder."""
        self.expiring_soon_s = expiring_soon_s
        self.invoice_grace = timedelta(seconds=invoice_grace_s)
        self.invoice_hold_factor = invoice_hold_factor
        """How many times what an account is usually billed for its usage may come to unseen; 0: any."""
        self.dedupe_window = timedelta(seconds=dedupe_window_s)
        """The engine's: what is dated earlier is neither recorded nor corrected."""
        self.early_margin = timedelta(seconds=early_margin_s)
        """The engine's: an edge of usage periods lies further ahead."""
        self.payment_retries = retries_from(payment_retry_days)
        self.after_retries = after_retries
        self.chargeback_policy = chargeback_policy
        """What becomes of the credits where the bank takes back the money: a refund policy."""
        self.now_us = engine.now_us
        self.delivery = Delivery(engine, sql)
        self.jobs = JobRunner(self)
        self._advancing = threading.RLock()
        self.closed_accounts = ClosedAccounts(sql)
        with sql.transaction() as work:
            self.restores = work.series.cursor(RESTORES)
        engine.guard = self._refuse_closed
        engine.completion = partial(with_recharge_thresholds, sql)
        engine.follower = self._follow

    def recover(self, recovered_seq: int) -> None:
        """Bring the engine to where the database is: commands not delivered, or forgotten by a restore."""
        gap = None if self.folder is None else gap_of(self.folder)
        again = recover_from(self, recovered_seq, gap)
        if gap is not None and self.folder is not None:
            # All of it waits in the rows now. Open for longer, a crash would issue what is delivered by then
            # once more, behind what came after it.
            close_gap(self.folder)
        waiting = self.delivery.deliver()
        if waiting:
            _log.info("commands issued at the start", extra={"forgotten": again, "groups": waiting})

    def name_of(self, number: int) -> str:
        """What a journal position, or a number of a series, is called in ids: those behind a recovery point
        or a backup are given out anew."""
        return f"{self.restores}.{number}" if self.restores else str(number)

    def call(self, request: Request, *, account_prefix: str = "") -> Any:
        """Answer a call; what it decided is durable and in the engine when this returns.

        Raises ``InvalidRequestError``, ``NotFoundError``, ``AlreadyExistsError``, ``PreconditionError``
        (nothing changed) or ``UnavailableError`` (repeat with the same ids).
        """
        call = CALLS.get(type(request))
        if call is None:
            raise errors.InternalError(f"nothing answers {type(request).__name__}")
        request = check_request(request, request.as_they_are)
        prior = None if call.before is None else call.before(self, request, account_prefix)
        with self.sql.transaction() as work:
            # Inside, as a handler's own commands are asked about too.
            self.closed_accounts.settle(work)
            step = Step(self, work, account_prefix=account_prefix)
            step.prior = prior
            answer = call.handler(step, request)
            work.carry_out(step.decision, self.now_us())
            pass_point("call.decided")
        pass_point("call.committed")
        self.follow_up(step)
        if call.reread is None:
            return answer
        with self.sql.transaction() as work:
            return call.reread(Step(self, work, account_prefix=account_prefix), request)

    def follow_up(self, step: Step) -> None:
        if step.decision.groups:
            self.delivery.deliver()
        if step.lanes:
            # What stepped aside is the caller's business as well.
            aside = [lane_aside(each) for each in step.lanes]
            self.jobs.run_lanes((*step.lanes, *aside), JOBS_PER_CALL)

    def read(self, read: Callable[[Step], Any]) -> Any:
        """Run ``read`` on one consistent view."""
        with self.sql.transaction() as work:
            return read(Step(self, work))

    def execute_json(self, group: bytes, *, account_prefix: str = "") -> tuple[int, bytes]:
        """A group of commands from outside, as the engine's ``execute_json`` takes it.

        An account's own clock does not jump: the jobs that fall due on its way are done first, in order; none
        where the rest of the group is refused whatever they do.
        Raises the fault of a job that failed and did not step aside: the clock stands where it was due,
        repeat to go on.
        """
        if not _may_have(group, _CLOCK):
            return self.engine.execute_json(group, account_prefix=account_prefix)
        self._refuse_closed(group, account_prefix)
        given = _commands_in(group)
        moving = [each for each in given if _moves(each, account_prefix)]
        is_hopeless = len(given) > 1 and bool(moving) and self._never_takes(given, account_prefix)
        lived = [] if is_hopeless else [self._live_through(each) for each in moving]
        announced = self._announce([each for each in lived if each is not None])
        try:
            seq, outcomes = self.engine.execute_json(group, account_prefix=account_prefix)
        except (errors.InvalidRequestError, errors.PreconditionError):
            # After any other fault it may be applied: the next start looks.
            self.delivery.answered(announced, self.engine.durable_seq(), refused=True)
            raise
        self.delivery.answered(announced, seq, refused=is_refused(outcomes))
        return seq, outcomes

    def _refuse_closed(self, group: bytes, account_prefix: str) -> None:
        """Raises ``PreconditionError`` where a caller's group would give a closed account of his life."""
        if not self.closed_accounts or not _may_have(group, _LIFE_GIVING | _REGRANT):
            return
        for each in _commands_in(group):
            account = str(each.get("account"))
            # A foreign one is not there; the engine says so.
            if account not in self.closed_accounts or not account.startswith(account_prefix):
                continue
            if each.get("type") == "correct" and each.get("regrant") is True:
                raise closed_to_regrants(account)
            gives = str(each.get("type")) in _LIFE_GIVING and each.get("create") != []
            if gives and not self._has_given(account, each):
                raise account_closed(account)

    def _has_given(self, account: str, command: dict[str, Any]) -> bool:
        """Whether every grant that the command makes is there: the engine answers a repetition, no more."""
        match command:
            case {"type": "create_grant", "grant": grant}:
                asked = [grant]
            case {"type": "void_and_replace", "create": [*asked]}:
                pass
            case _:
                return False
        try:
            for each in asked:
                self.engine.grant(account, each["grant_id"])
        except (errors.NotFoundError, errors.InvalidRequestError, LookupError, TypeError):
            return False
        return True

    def _follow(self, group: bytes, outcomes: bytes) -> None:
        """What the rows have to know of a group from outside that the engine has answered."""
        note_levels(self.sql, group, outcomes)
        self._recharge_resumed(group, outcomes)
        self._sign_up_new(group, outcomes)

    def _recharge_resumed(self, group: bytes, outcomes: bytes) -> None:
        """What was due while an account was suspended is bought; the scheduler asks for its money."""
        resumed = accounts_of(_RESUMING, group, outcomes) if _may_have(group, frozenset({_RESUMING})) else []
        if not resumed:
            return
        with self.sql.transaction() as work:
            step = Step(self, work)
            for account in resumed:
                try_held_back(step, account, SUSPENDED)
            work.carry_out(step.decision, self.now_us())
        self.delivery.deliver()

    def _sign_up_new(self, group: bytes, outcomes: bytes) -> None:
        """Accounts that a group from outside made, or has made before, get the plans that products name.

        An account is there whatever becomes of that; creating it again tries again.
        """
        if not _may_have(group, _MAKING):
            return
        made = accounts_of("create_account", group, outcomes)
        with self.sql.transaction() as work:
            products = [each for each in work.products.find() if each.signup_plan] if made else []
        for account in made:
            for request in signups_of(account, products):
                try:
                    self.call(request)
                except errors.DrawdownError as fault:
                    _log.warning(
                        "a new account did not get its plan: %s",
                        fault,
                        extra={"account": account, "plan": request.plan_id},
                    )

    def _never_takes(self, given: list[dict[str, Any]], account_prefix: str) -> bool:
        """Whether the engine refuses a group for what no job mends. Nothing is applied.

        It is asked with one more command at the end that it always refuses: there is no grant without id.
        """
        always = ReleaseGrant(account=str(given[0].get("account", "")), grant_id="")
        _, answer = self.engine.apply_json(encode_group([*given, always]), account_prefix=account_prefix)
        statuses = [each["status"] for each in msgspec.json.decode(answer)]
        return not _MENDED_BY_NO_JOB.isdisjoint(statuses[:-1])

    def _live_through(self, command: dict[str, Any]) -> AdvanceClock | None:
        """Answers what is left for the caller's own command to do, which follows at once."""
        account, to = command.get("account"), command.get("to")
        if not isinstance(account, str) or not isinstance(to, int):
            return None
        with self._advancing:
            try:
                clock = self.engine.account(account).test_clock
            except errors.AccountNotFoundError:
                return None
            if clock is None:
                return None
            stands_us = self.jobs.live_through(account, us_from_instant(clock), to)
        return AdvanceClock(account=account, to=to) if stands_us < to else None

    def _announce(self, clocks: list[AdvanceClock]) -> list[int]:
        """A restored engine's clocks have to go the same way, between the same commands; answers the rows."""
        if not clocks:
            return []
        with self.sql.transaction() as work:
            known = [each for each in clocks if work.profiles.get(account=each.account) is not None]
            return [work.outbox.announce(each.account, [each]) for each in known]

    def stats(self) -> dict[str, Any]:
        """Figures for metrics."""
        with self.sql.transaction() as work:
            return {
                "jobs": work.jobs.counts(),
                "jobs_done_total": self.jobs.done,
                "jobs_failed_total": self.jobs.failures,
                "commands_refused_total": self.delivery.refused,
            }

    def close(self) -> None:
        """Close the database. The engine is the owner's."""
        self.jobs.close()
        self.sql.close()


def _may_have(group: bytes, kinds: frozenset[str]) -> bool:
    """Whether commands of these kinds may stand in the group: an escape in it may spell any."""
    return b"\\" in group or any(kind.encode() in group for kind in kinds)


def _moves(command: dict[str, Any], account_prefix: str) -> bool:
    """Whether it is for the clock of an account that the caller may see."""
    is_advance = command.get("type") == "advance_clock"
    return is_advance and str(command.get("account", "")).startswith(account_prefix)


def _commands_in(group: bytes) -> list[dict[str, Any]]:
    try:
        found = msgspec.json.decode(group)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        # No UTF-8 and nests too deep are no DecodeError; the engine says what is wrong.
        return []
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
