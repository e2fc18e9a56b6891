"""The commands as methods, written once for every form of the engine: embedded, over gRPC, awaited.

Each method builds one command and passes it to ``_one``, which the form supplies. A refusal by rule
is a result with ``.status``; a command that cannot be understood raises ``InvalidRequestError`` with
``.field``.
"""

import abc
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from drawdown.errors import InvalidRequestError
from drawdown.model import commands
from drawdown.model.credits import AmountLike
from drawdown.model.instants import InstantLike
from drawdown.model.results import CommandResult

AnswerT = TypeVar("AnswerT", covariant=True)
"""``CommandResult``, or an awaitable of it."""


def confirm_void(confirm: bool) -> None:
    """Raise ``InvalidRequestError`` unless the caller says that a void is meant: it cannot be undone."""
    if confirm is not True:
        raise InvalidRequestError(
            "confirm: a void cannot be undone and forfeits what is left; say confirm=True", field="confirm"
        )


def require_valid(result: CommandResult) -> CommandResult:
    """The result as it is; raises ``InvalidRequestError`` with its field when it is ``INVALID``."""
    if result.status != "INVALID":
        return result
    message = result.reason or "the command is not valid"
    if result.field and result.field not in message:
        message = f"{result.field}: {message}"
    raise InvalidRequestError(message, field=result.field)


class CommandMethods(abc.ABC, Generic[AnswerT]):
    """Every command of the engine by its name. Each is idempotent by the id it carries."""

    @abc.abstractmethod
    def _one(self, command: commands.Command) -> AnswerT:
        """Apply one command, durable when it returns; raises ``InvalidRequestError`` for ``INVALID``."""

    def create_credit_type(self, name: str, *, scale: int = 9) -> AnswerT:
        """A unit of value whose amounts are integers of 10^-``scale`` (0–12)."""
        return self._one(commands.CreateCreditType(name=name, scale=scale))

    def create_meter(
        self,
        key: str,
        *,
        unit: str = "",
        quantity_scale: int = 0,
        aggregation: str = "sum",
        dimensions: Iterable[str] = (),
        unique_of: str | None = None,
    ) -> AnswerT:
        """What is counted. Only the declared ``dimensions`` can matter for its price."""
        return self._one(
            commands.CreateMeter(
                key=key,
                unit=unit,
                quantity_scale=quantity_scale,
                aggregation=aggregation,
                dimensions=list(dimensions),
                unique_of=unique_of,
            )
        )

    def set_rate(
        self,
        *,
        meter: str,
        table: str = "default",
        credit_type: str = "credits",
        credits: AmountLike | None = None,
        tiers: Sequence[commands.TierLike] | None = None,
        per: AmountLike = 1,
        package: bool = False,
        match: Mapping[str, str] | None = None,
        valid_from: InstantLike | None = None,
    ) -> AnswerT:
        """The price of a meter in a rate table: ``credits`` per ``per`` units, or graduated ``tiers``."""
        return self._one(
            commands.set_rate(
                table=table,
                meter=meter,
                credit_type=credit_type,
                credits=credits,
                tiers=tiers,
                per=per,
                package=package,
                match=match,
                valid_from=valid_from,
            )
        )

    def create_account(
        self,
        account: str,
        *,
        customer_id: str | None = None,
        rate_table: str | None = None,
        test_clock: InstantLike | None = None,
    ) -> AnswerT:
        """A holder of balances; with ``test_clock`` it lives on a clock of its own."""
        return self._one(
            commands.create_account(
                account, customer_id=customer_id, rate_table=rate_table, test_clock=test_clock
            )
        )

    def assign_rate_table(
        self, account: str, table: str, *, valid_from: InstantLike | None = None
    ) -> AnswerT:
        """The account's prices are this table's for event times from ``valid_from`` (default now) on."""
        return self._one(commands.assign_rate_table(account, table, valid_from=valid_from))

    def set_period_edge(self, account: str, at: InstantLike, *, withdrawn: bool = False) -> AnswerT:
        """A billing period of the account ends and the next begins at ``at``; ``withdrawn``: it does not."""
        return self._one(commands.set_period_edge(account, at, withdrawn=withdrawn))

    def advance_clock(self, account: str, to: InstantLike) -> AnswerT:
        """Move a test-clock account's time forward."""
        return self._one(commands.advance_clock(account, to))

    def suspend_account(self, account: str) -> AnswerT:
        """Refuse the account's usage and checks until it is resumed."""
        return self._one(commands.SuspendAccount(account=account))

    def resume_account(self, account: str) -> AnswerT:
        """Accept the account's usage again."""
        return self._one(commands.ResumeAccount(account=account))

    def set_policy(
        self,
        account: str,
        credit_type: str,
        kind: str,
        *,
        limit: AmountLike | None = None,
        price: AmountLike | None = None,
        cap: AmountLike | None = None,
        since: InstantLike | None = None,
    ) -> AnswerT:
        """At zero: ``hard``, ``partial``, ``overdraft`` (``limit``) or ``overage`` (``price``, ``cap``).

        Overage of events from ``since`` on is counted apart from what was before: its price is another.
        """
        return self._one(
            commands.set_policy(account, credit_type, kind, limit=limit, price=price, cap=cap, since=since)
        )

    def set_thresholds(self, account: str, credit_type: str, thresholds: Iterable[AmountLike]) -> AnswerT:
        """Replace the pool's low-balance thresholds: each raises ``balance.low`` once when available comes to
        it or below, and again after it has been above.

        Credits, or text like ``"20%"`` (above 0 to 100, at most two decimals): of the original amounts of the
        grants in force, used up or not, rounded down. Found anew when a grant begins, ends or is voided, not
        when credits are spent; of no grants it is 0. Given twice counts once; at most 32 of both kinds. One
        that stood before is not told anew, and an enabled recharge's own stays beside these.
        Raises ``InvalidRequestError`` naming ``thresholds``.
        """
        return self._one(commands.set_thresholds(account, credit_type, thresholds))

    def create_grant(
        self,
        account: str,
        credit_type: str,
        amount: commands.GrantAmountLike,
        *,
        grant_id: str,
        name: str | None = None,
        category: str = "paid",
        priority: int = 50,
        effective_at: InstantLike | None = None,
        expires_at: InstantLike | None = None,
        scope: Iterable[str] | None = None,
        pending: bool = False,
        source: str = "adjustment",
        source_reference: str = "",
        cost_minor: int = 0,
        cost_currency: str = "",
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> AnswerT:
        """Allocate credits, immutable from then on; the same ``grant_id`` and content is ``DUPLICATE``."""
        grant = commands.grant_input(
            grant_id,
            credit_type,
            amount,
            name=name,
            category=category,
            priority=priority,
            effective_at=effective_at,
            expires_at=expires_at,
            scope=scope,
            pending=pending,
            source=source,
            source_reference=source_reference,
            cost_minor=cost_minor,
            cost_currency=cost_currency,
            reason=reason,
            metadata=metadata,
        )
        return self._one(commands.CreateGrant(account=account, grant=grant))

    def release_grant(
        self,
        account: str,
        grant_id: str,
        *,
        effective_at: InstantLike | None = None,
        expires_at: InstantLike | None = None,
    ) -> AnswerT:
        """Make a pending grant spendable."""
        return self._one(
            commands.release_grant(account, grant_id, effective_at=effective_at, expires_at=expires_at)
        )

    def void_grant(self, account: str, grant_id: str, *, confirm: bool = False, reason: str = "") -> AnswerT:
        """Forfeit what is left of a grant, for good: needs ``confirm=True``. Twice changes nothing."""
        confirm_void(confirm)
        return self._one(commands.VoidGrant(account=account, grant_id=grant_id, reason=reason))

    def void_and_replace(
        self,
        account: str,
        *,
        void: Iterable[str],
        create: Iterable[commands.GrantInput | Mapping[str, Any]],
    ) -> AnswerT:
        """Void grants and create others in one step, which no debit sees half. Idempotent by the new ids.

        A grant to create is a mapping of what ``create_grant`` takes; its ``amount`` may be a
        ``drawdown.commands.Formula`` over what is left of a voided one.
        """
        made = [_grant_of(each) for each in create]
        return self._one(commands.VoidAndReplace(account=account, void=list(void), create=made))


def _grant_of(given: commands.GrantInput | Mapping[str, Any]) -> commands.GrantInput:
    """Raises ``InvalidRequestError`` for a name that no grant has, and for one that is missing."""
    if isinstance(given, commands.GrantInput):
        return given
    try:
        return commands.grant_input(**given)
    except TypeError as raised:
        said = str(raised).partition("() ")[2] or str(raised)
        raise InvalidRequestError(f"create: {said}", field="create") from raised
