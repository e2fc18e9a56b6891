"""Automatic recharge: when it fires and for how much (semantics §10). Pure.

The crossing comes out of the debit itself and is seen once; whoever relays it asks here what to buy.
One purchase at a time per pool: it is named by the crossing that began it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec

from drawdown.errors import InvalidRequestError
from drawdown.model.ids import check_id
from drawdown.model.money import Money
from drawdown.model.request import Value

CAP_COUNT_MAX: Final = 1_000_000
EXPIRES_DAYS_MAX: Final = 36_600

MIDST_OF_MONTH: Final = timedelta(days=15)
"""Behind its start in whichever zone it began, a month is the same one in every other."""

CAPS: Final = ("cap_count_reached", "cap_money_reached")
NO_METHOD: Final = "no_payment_method"
SUSPENDED: Final = "account_suspended"
STATES: Final = ("off", "idle", "in_flight", "action_required", "disabled")


class RechargeRule(Value, frozen=True):
    """What the customer opted in to. Exactly one of ``to``, ``amount`` and ``pack_id``."""

    account: str
    credit_type: str
    threshold: Decimal
    to: Decimal | None = None
    """Up to here: what is bought is this less what is available when it fires."""
    amount: Decimal | None = None
    pack_id: str = ""
    enabled: bool = True
    cap_money: Money | None = None
    """Per calendar month of the account."""
    cap_count: int | None = None
    expires_after_days: int | None = None
    """Of the credits bought; absent: never."""


class RechargeStanding(Value, frozen=True):
    """Where the rule stands."""

    state: str = "off"
    reason: str = ""
    """Why it is ``disabled``."""
    purchase_id: str = ""
    """Of the purchase on its way."""
    period_start: datetime | None = None
    spent: Money | None = None
    count: int = 0
    """Recharges begun in the period."""
    broken_method: str = ""
    """The payment method that failed: nothing is tried with it until the rule is enabled again."""
    looked_at_seq: int = 0
    """Journal position at which the balance was looked at last: crossings up to it are over."""
    level_is_callers: bool = False
    """The threshold is watched for the caller as well: it stays when the recharge goes."""


def is_on(rule: RechargeRule, standing: RechargeStanding) -> bool:
    """Whether it is switched on and has not switched itself off with a failure."""
    return rule.enabled and standing.state != "disabled"


def check_rule(rule: RechargeRule) -> None:
    """Raises ``InvalidRequestError`` naming the field."""
    check_id(rule.account, "account")
    if rule.threshold < 0:
        raise InvalidRequestError("threshold: must not be negative", field="threshold")
    forms = [rule.to is not None, rule.amount is not None, bool(rule.pack_id)]
    if sum(forms) != 1:
        raise InvalidRequestError("to: give exactly one of to, amount and pack_id", field="to")
    if rule.to is not None and rule.to <= rule.threshold:
        raise InvalidRequestError(
            f"to: the target {rule.to} must exceed the threshold {rule.threshold}", field="to"
        )
    if rule.amount is not None and rule.amount <= 0:
        raise InvalidRequestError("amount: must be more than 0", field="amount")
    if rule.cap_money is not None and rule.cap_money.minor <= 0:
        raise InvalidRequestError("cap_money: must be more than 0", field="cap_money")
    if rule.cap_count is not None and not 1 <= rule.cap_count <= CAP_COUNT_MAX:
        raise InvalidRequestError(f"cap_count: 1–{CAP_COUNT_MAX}", field="cap_count")
    if rule.expires_after_days is not None and not 1 <= rule.expires_after_days <= EXPIRES_DAYS_MAX:
        raise InvalidRequestError(f"expires_after_days: 1–{EXPIRES_DAYS_MAX}", field="expires_after_days")


def credits_to_buy(rule: RechargeRule, available: Decimal, pack_credits: Decimal | None = None) -> Decimal:
    """Credits of one recharge that fires at ``available``: the target less what is there, the fixed
    amount, or the pack's credits. 0: nothing is due."""
    if not rule.enabled or available > rule.threshold:
        return Decimal(0)
    if rule.to is not None:
        return rule.to - available
    if rule.amount is not None:
        return rule.amount
    return pack_credits or Decimal(0)


def in_period(standing: RechargeStanding, period_start: datetime, currency: str) -> RechargeStanding:
    """The standing with its sums begun anew where a later month has begun; money also where the account
    is billed in another currency since. ``period_start`` is in the zone of the customer."""
    if _is_month_of(standing, period_start):
        if standing.spent is None or standing.spent.currency == currency:
            return standing
        return msgspec.structs.replace(standing, spent=Money(0, currency))
    return msgspec.structs.replace(standing, period_start=period_start, spent=Money(0, currency), count=0)


def _is_month_of(standing: RechargeStanding, period_start: datetime) -> bool:
    """Whether the sums are of that month, or of a later one: the customer may have moved to another zone."""
    if standing.period_start is None:
        return False
    counted = (standing.period_start + MIDST_OF_MONTH).astimezone(period_start.tzinfo)
    return (counted.year, counted.month) >= (period_start.year, period_start.month)


def refusal(rule: RechargeRule, standing: RechargeStanding, price: Money, payment_method: str) -> str:
    """Why a recharge may not begin now, or an empty text. ``standing`` is of the present period."""
    if not rule.enabled or standing.state == "disabled":
        return standing.reason or "disabled"
    if standing.state in ("in_flight", "action_required"):
        return "in_flight"
    if not payment_method:
        return NO_METHOD
    if standing.broken_method == payment_method:
        return "payment_method_failed"
    if rule.cap_count is not None and standing.count >= rule.cap_count:
        return "cap_count_reached"
    if rule.cap_money is None:
        return ""
    if rule.cap_money.currency != price.currency:
        # The customer's currency has changed since the rule was set; nobody said what the cap is in it.
        return "cap_currency_differs"
    spent = standing.spent or Money(0, price.currency)
    return "cap_money_reached" if (spent + price).minor > rule.cap_money.minor else ""


def begun(standing: RechargeStanding, purchase_id: str, price: Money) -> RechargeStanding:
    """A recharge is on its way."""
    spent = standing.spent or Money(0, price.currency)
    return msgspec.structs.replace(
        standing,
        state="in_flight",
        reason="",
        purchase_id=purchase_id,
        spent=spent + price,
        count=standing.count + 1,
    )


def ended(
    rule: RechargeRule, standing: RechargeStanding, outcome: str, price: Money, payment_method: str
) -> RechargeStanding:
    """The payment came to ``granted``, ``failed`` or ``action_required``, or its credits to ``refused``.

    A failure takes its money and count back and disables the rule: one attempt, one notice, no loop. So
    does a refusal of the credits, but their money is spent and the payment method works. A rule that was
    switched off meanwhile is off, whatever the outcome.
    """
    found = _ended(standing, outcome, price, payment_method)
    if rule.enabled or outcome == "action_required":
        return found
    return msgspec.structs.replace(found, state="off", reason=standing.reason)


def _ended(standing: RechargeStanding, outcome: str, price: Money, payment_method: str) -> RechargeStanding:
    if outcome == "action_required":
        return msgspec.structs.replace(standing, state="action_required")
    if outcome == "granted":
        return msgspec.structs.replace(standing, state="idle", purchase_id="")
    if outcome == "refused":
        return msgspec.structs.replace(standing, state="disabled", reason="credits_refused", purchase_id="")
    spent = standing.spent or Money(0, price.currency)
    return msgspec.structs.replace(
        standing,
        state="disabled",
        reason="payment_failed",
        purchase_id="",
        spent=spent - price,
        count=max(0, standing.count - 1),
        broken_method=payment_method,
    )


def enabled_again(standing: RechargeStanding) -> RechargeStanding:
    """Switched on by the customer: what failed is forgotten, and the balance is looked at at once."""
    if standing.state in ("in_flight", "action_required"):
        return standing
    return msgspec.structs.replace(standing, state="idle", reason="", broken_method="")
