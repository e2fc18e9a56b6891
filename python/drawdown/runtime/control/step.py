"""One step of the control plane: a transaction, an instant, and what is decided in it."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from drawdown import errors
from drawdown.billing.invoice import Invoice
from drawdown.engine import Engine, outcome
from drawdown.model.commands import Command, ReleaseGrant, encode_group
from drawdown.model.decision import Decision
from drawdown.model.instants import instant_from_us
from drawdown.model.results import CommandResult
from drawdown.storage.sql.work import Work
from drawdown.subscriptions.customer import AccountProfile, Customer
from drawdown.subscriptions.subscription import Subscription

if TYPE_CHECKING:
    from drawdown.runtime.control.control_plane import ControlPlane


class EngineBehindError(Exception):
    """The engine was asked about a lane whose earlier commands it has not got yet: do this step later."""


class Step:
    """What a handler works with. It reads and writes through ``work`` and decides into ``decision``."""

    def __init__(
        self, plane: "ControlPlane", work: Work, *, account_prefix: str = "", engine_behind: bool = False
    ) -> None:
        self.plane = plane
        self.work = work
        self._engine_behind = engine_behind
        self.decision = Decision()
        self.account_prefix = account_prefix
        self.lanes: list[str] = []
        self.prior: Any = None

    @property
    def engine(self) -> Engine:
        """The engine, to read from. Raises ``EngineBehindError`` where it is not where the step stands."""
        if self._engine_behind:
            raise EngineBehindError
        return self.plane.engine

    def run_now(self, lane: str) -> None:
        """Do the lane's due jobs before the call is answered."""
        if lane not in self.lanes:
            self.lanes.append(lane)

    def real_now(self) -> datetime:
        """The wall clock."""
        return instant_from_us(self.plane.now_us())

    def now_of(self, account: str) -> datetime:
        """The account's present: its own clock, or the wall clock."""
        if self.profile(account).test_clock:
            clock = self.plane.engine.account(account).test_clock
            assert clock is not None
            return clock
        return self.real_now()

    def sees(self, account_or_customer: str) -> bool:
        """Whether the account or customer of this id lies within the caller's prefix, existing or not."""
        return account_or_customer.startswith(self.account_prefix)

    def require_visible(self, account: str) -> None:
        """Raises ``AccountNotFoundError`` for an account outside the caller's prefix."""
        if not self.sees(account):
            raise errors.AccountNotFoundError(f"there is no account {account[:128]!r}; create it first")

    def subscription(self, subscription_id: str) -> Subscription:
        """One that the caller may see; a foreign one is as unknown as one that is not there."""
        return self.work.subscription(subscription_id, self.account_prefix)

    def invoice(self, invoice_id: str) -> Invoice:
        """The same for invoices."""
        return self.work.invoice(invoice_id, self.account_prefix)

    def profile(self, account: str) -> AccountProfile:
        """The account's profile, made on first sight. Raises ``AccountNotFoundError``."""
        self.require_visible(account)
        known = self.work.profiles.get(account=account)
        if known is not None:
            return known
        found = self.plane.engine.account(account)
        return self.work.profiles.put(
            AccountProfile(
                account=account,
                customer_id=found.customer or account,
                test_clock=found.test_clock is not None,
                rate_table="" if found.rate_table == "default" else found.rate_table,
                clock=found.test_clock,
            )
        )

    def open_profile(self, account: str) -> AccountProfile:
        """The profile of an account that is not closed. Raises ``PreconditionError``."""
        found = self.profile(account)
        if found.closed:
            raise account_closed(account)
        return found

    def customer_of(self, account: str) -> Customer:
        """The account's customer; one that nobody has described has the defaults."""
        customer_id = self.profile(account).customer_id
        return self.work.customers.get(customer_id=customer_id) or Customer(customer_id=customer_id)

    def require(self, account: str, *group: Command) -> list[CommandResult]:
        """Apply commands now, before anything is committed, and put them into the outbox as well.

        For what must be so before anything else is decided. Raises the fault that stands for a refusal;
        the transaction then changes nothing. A crash after the engine's yes is healed by a repeat.
        """
        results = self.engine.execute(list(group))
        for result in results:
            if not result.applied and result.status != "NOT_APPLIED":
                raise refusal(result)
        self.decision.command(account, *group)
        return results

    def command_if_taken(self, account: str, *group: Command) -> None:
        """Put a group that the engine would take into the outbox: a crash leaves all of it or nothing.

        Raises the fault that stands for a refusal; the transaction then changes nothing.
        """
        refused = self.would_refuse(account, group)
        if refused is not None:
            raise refusal(refused[1])
        self.decision.command(account, *group)

    def would_refuse(self, account: str, group: Sequence[Command]) -> tuple[int, CommandResult] | None:
        """Which command the engine would refuse, and its answer, or ``None``. Nothing is applied.

        It is asked with one more command at the end that it always refuses: there is no grant without id.
        """
        always = ReleaseGrant(account=account, grant_id="")
        seq, answer = self.engine.apply_json(encode_group([*group, always]))
        results = [outcome(each, seq) for each in msgspec.json.decode(answer)]
        (at,) = [number for number, each in enumerate(results) if each.status != "NOT_APPLIED"]
        return None if at == len(group) else (at, results[at])


def account_closed(account: str) -> errors.PreconditionError:
    """What a closed account answers to whatever would begin anew."""
    return errors.PreconditionError(
        f"account {account[:128]!r} is closed for good; create another one",
        reason="ACCOUNT_CLOSED",
        field="account",
    )


def closed_to_regrants(account: str) -> errors.PreconditionError:
    """What it answers to a correction that would make a new grant."""
    return errors.PreconditionError(
        f"regrant: account {account[:128]!r} is closed for good and gets no grant; correct without regrant",
        reason="ACCOUNT_CLOSED",
        field="regrant",
    )


def refusal(result: CommandResult) -> errors.DrawdownError:
    """The fault that stands for a refusal by a rule of the engine."""
    message = result.reason or f"the engine refused: {result.status}"
    kinds: dict[str, type[errors.DrawdownError]] = {
        "INVALID": errors.InvalidRequestError,
        "ACCOUNT_UNKNOWN": errors.AccountNotFoundError,
        "METER_UNKNOWN": errors.NotFoundError,
        "CONFLICT": errors.AlreadyExistsError,
    }
    kind = kinds.get(result.status, errors.PreconditionError)
    return kind(message, reason=result.status, field=result.field)
