"""Closing an account: no further usage; what is left is forfeited or paid out (semantics §15). Pure.

A paid-out amount is on the closing itself: line by line which grant gave how many credits and what the
customer had paid for them. Sending the money is the operator's; the record says how much.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

import msgspec

from drawdown.errors import InvalidRequestError
from drawdown.model.commands import VoidGrant
from drawdown.model.decision import Job
from drawdown.model.money import Money
from drawdown.model.request import Request, Value
from drawdown.model.results import Grant
from drawdown.subscriptions.identifiers import lane_of

REMAINDERS: Final = ("forfeit", "pay_out")
CLOSING_JOB: Final = "account.closing"
VOID_REASON: Final = "account closed"
_OPEN_STATES: Final = frozenset({"active", "scheduled", "pending"})
# An exhausted one has nothing left, but a correction gives back to it. What has expired is over.
_VOIDED_STATES: Final = _OPEN_STATES | {"exhausted"}


class ClosingLine(Value, frozen=True):
    """What one grant had left when the account was closed."""

    grant_id: str
    credit_type: str
    credits: Decimal
    """Taken out of the balance, as the engine measured it."""
    category: str = "paid"
    payout: Money | None = None
    """The share of what was paid for the grant; absent where nothing is paid out."""


class AccountClosing(Value, frozen=True):
    """The end of an account."""

    account: str
    customer_id: str
    remainder: str
    """``forfeit`` or ``pay_out``."""
    closed_at: datetime
    reason: str = ""
    state: str = "closing"
    """``closing`` until the remainder is measured, then ``closed``."""
    grants: tuple[str, ...] = ()
    """Grants that were open."""
    lines: tuple[ClosingLine, ...] = ()
    payouts: tuple[Money, ...] = ()
    """Owed to the customer, one sum per currency."""


class PaidFor(msgspec.Struct, frozen=True):
    """What came for these grants together; no more is paid out of them."""

    grants: tuple[str, ...]
    money: Money


class CloseAccount(Request, frozen=True):
    """No further usage, for good; subscriptions end now, what is left goes by ``remainder``."""

    rpc = "AccountService/CloseAccount"
    right = "manage"
    answer = AccountClosing
    account: str
    remainder: str = "forfeit"
    reason: str = ""
    confirm: bool = False


class GetAccountClosing(Request, frozen=True):
    rpc = "AccountService/GetAccountClosing"
    right = "read"
    answer = AccountClosing
    account: str


def check_close(request: CloseAccount) -> None:
    """Raises ``InvalidRequestError`` naming the field."""
    if request.remainder not in REMAINDERS:
        raise InvalidRequestError(
            f"remainder: {request.remainder[:64]!r} is not one of {', '.join(REMAINDERS)}", field="remainder"
        )
    if not request.confirm:
        raise InvalidRequestError(
            "confirm: closing an account cannot be undone; set confirm", field="confirm"
        )


def voids_of(account: str, grants: Iterable[Grant]) -> list[VoidGrant]:
    """Every grant that has or may get back credits is voided, in one step."""
    return [
        VoidGrant(account=account, grant_id=each.grant_id, reason=VOID_REASON)
        for each in grants
        if each.state in _VOIDED_STATES
    ]


def open_grants(grants: Iterable[Grant]) -> tuple[str, ...]:
    """The ids of those that have credits left, now or later."""
    return tuple(each.grant_id for each in grants if each.state in _OPEN_STATES)


def closing_job(closing: AccountClosing, unpaid: Iterable[str]) -> Job:
    """The look at what the voids took, when they are done; ``unpaid`` are grants nobody has paid for."""
    return Job(
        kind=CLOSING_JOB,
        key=f"{CLOSING_JOB}:{closing.account}",
        lane=lane_of(closing.account),
        account=closing.account,
        due_at=closing.closed_at,
        rank=90,
        payload={"account": closing.account, "unpaid": sorted(unpaid)},
    )


def closed(
    closing: AccountClosing, grants: Iterable[Grant], unpaid: Collection[str], paid: Iterable[PaidFor] = ()
) -> AccountClosing:
    """The closing with what each grant gave up; money in proportion to what was paid for the grant, none
    where it is ``unpaid``, and of those ``paid`` for together no more than that."""
    taken = [each for each in grants if each.grant_id in closing.grants and each.voided > 0]
    pays = closing.remainder == "pay_out"
    lines = tuple(_line(each, pays and each.grant_id not in unpaid) for each in taken)
    for each in paid:
        lines = _at_most(lines, each)
    sums: dict[str, Money] = {}
    for line in lines:
        if line.payout is not None:
            have = sums.get(line.payout.currency, Money(0, line.payout.currency))
            sums[line.payout.currency] = have + line.payout
    payouts = tuple(sums[currency] for currency in sorted(sums))
    return msgspec.structs.replace(closing, state="closed", lines=lines, payouts=payouts)


def _at_most(lines: tuple[ClosingLine, ...], paid: PaidFor) -> tuple[ClosingLine, ...]:
    left = max(paid.money.minor, 0)
    found = []
    for line in lines:
        if line.payout is not None and line.grant_id in paid.grants:
            minor = min(left, line.payout.minor)
            left -= minor
            payout = Money(minor, line.payout.currency) if minor else None
            line = msgspec.structs.replace(line, payout=payout)
        found.append(line)
    return tuple(found)


def _line(grant: Grant, pays: bool) -> ClosingLine:
    payout = None
    if pays and grant.category == "paid" and grant.cost_minor > 0:
        part = Fraction(grant.voided) / Fraction(grant.amount)
        payout = Money(grant.cost_minor, grant.cost_currency).times(part)
    return ClosingLine(
        grant_id=grant.grant_id,
        credit_type=grant.credit_type,
        credits=grant.voided,
        category=grant.category,
        payout=payout,
    )
