"""A plan: everything that a subscription to it does, fixed once it is published (semantics §9)."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from drawdown.catalog.pricing import Price, check_prices
from drawdown.errors import InvalidRequestError, PreconditionError
from drawdown.model.commands import POLICY_KINDS
from drawdown.model.ids import check_id
from drawdown.model.request import Value

STATES: Final = ("draft", "published", "archived")
TYPES: Final = ("free", "paid", "custom")
BILLING_MODELS: Final = ("recurring", "one_off")
BILLING_PERIODS: Final = ("monthly", "yearly")
CADENCES: Final = ("weekly", "monthly", "yearly")
PRORATIONS: Final = ("none", "first", "both")
ANCHORS: Final = ("subscription_start", "first_of_month")
RELEASES: Final = ("on_payment", "on_approval", "immediate")
CHANGE_POLICIES: Final = ("void_replace", "keep_until_expiry", "prorate")
TRIAL_ENDS: Final = ("convert", "end")
# Of whatever calendar steps: what lies beyond has no date.
COUNT_MAX: Final = 1_000
LIFETIME_UNITS: Final = ("day", "week", "month", "year")
_CARD_VERSION: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


class Lifetime(Value, frozen=True):
    """How long granted credits live, in calendar steps."""

    count: int
    unit: str = "month"


class Rollover(Value, frozen=True):
    """What of expiring grants becomes new ones: caps, each optional, that all hold.

    ``amount`` and ``min`` are of all the subscription's grants that expire at one instant together.
    """

    fraction: Decimal | None = None
    """Of the remainder, 0–1."""
    amount: Decimal | None = None
    """At most so many credits."""
    times: int | None = None
    """The same credits roll at most so often."""
    min: Decimal | None = None
    """The new period has at least so many rolled credits; what this adds is a promotional grant."""


class CreditsCharge(Value, frozen=True):
    """Credits that the plan sells each cadence, and their price each billing period."""

    credit_type: str
    amount: Decimal
    """Credits per cadence and unit of the subscription's quantity."""
    cadence: str = ""
    """``weekly``, ``monthly`` or ``yearly``; apart from the billing period."""
    prices: tuple[Price, ...] = ()
    """Of the credits of one cadence; billed for every cadence that starts in the billing period."""
    lifetime: Lifetime | None = None
    """Absent: one cadence, so unused credits expire with the period."""
    rollover: Rollover | None = None
    priority: int = 50


class OverageCharge(Value, frozen=True):
    """Usage past zero is taken and priced."""

    prices: tuple[Price, ...]
    """``per_unit``: of one credit past zero."""
    cap: Decimal | None = None
    """Credits per billing period."""


class TopUpCharge(Value, frozen=True):
    """The customer may buy credits in between."""

    prices: tuple[Price, ...]
    min: Decimal | None = None
    max: Decimal | None = None
    lifetime: Lifetime | None = None


class MeterRate(Value, frozen=True):
    """What a unit of a meter costs in credits under this plan."""

    meter: str
    credits: Decimal | None = None
    tiers: tuple["CreditTier", ...] = ()
    per: Decimal = Decimal(1)
    package: bool = False
    match: dict[str, str] = {}


class CreditTier(Value, frozen=True):
    """Up to and including ``up_to`` units: ``credits`` per ``per``."""

    credits: Decimal
    up_to: Decimal | None = None


class Trial(Value, frozen=True):
    """Days at the start for which nothing is charged."""

    days: int
    credits: Decimal = Decimal(0)
    survives: bool = False
    """Whether what is left of the trial's credits stays after conversion."""
    end: str = "convert"
    """``convert`` into the paid subscription, or ``end``."""


class AtZero(Value, frozen=True):
    """The pool's policy under this plan; overage has its own charge."""

    kind: str = "hard"
    limit: Decimal | None = None


class SignupGrant(Value, frozen=True):
    """Free credits when an account comes to the plan, without a payment method."""

    amount: Decimal
    lifetime: Lifetime | None = None


class Plan(Value, frozen=True):
    """One version of a plan."""

    plan_id: str
    product_id: str
    name: str
    description: str = ""
    type: str = "paid"
    billing_model: str = "recurring"
    """``recurring``, or ``one_off``: sold once, it ends with its billing period."""
    billing_period: str = "monthly"
    base_fee: tuple[Price, ...] = ()
    credits: CreditsCharge | None = None
    overage: OverageCharge | None = None
    top_up: TopUpCharge | None = None
    packs: tuple[str, ...] = ()
    """Packs that may be bought or put on a subscription under this plan; empty: any."""
    rates: tuple[MeterRate, ...] = ()
    """The meters that the plan entitles to; usage of another is ``NOT_ENTITLED``."""
    rate_card: str = ""
    """A card instead of ``rates``: ``card@2``, or by name, and publishing pins its present version."""
    features: dict[str, str] = {}
    """Features that are not metered: ``"true"`` or a value."""
    trial: Trial | None = None
    minimum_spend: tuple[Price, ...] = ()
    proration: str = "none"
    anchor: str = "subscription_start"
    auto_renew: bool = True
    release: str = "on_payment"
    change_policy: str = "void_replace"
    at_zero: AtZero = AtZero()
    signup_grant: SignupGrant | None = None
    metadata: dict[str, str] = {}
    version: int = 1
    state: str = "draft"
    """``draft``, ``published`` or ``archived``; a newer published version supersedes an older one."""
    rate_table: str = ""
    """The engine's rate table of this version, set when it is published."""
    rate_credit_type: str = ""
    """What its rates burn, where a rate card or a file says so; empty: the type of its credits."""
    credit_scale: int = 9
    """Decimals of the credit type, set when it is published; shares of credits are rounded to it."""

    @property
    def burns(self) -> str:
        """The credit type of its rates."""
        return self.rate_credit_type or ("credits" if self.credits is None else self.credits.credit_type)

    @property
    def key(self) -> str:
        """Id and version."""
        return f"{self.plan_id}@{self.version}"


def version_of(plan_key: str) -> tuple[str, int]:
    """Id and version of ``Plan.key``."""
    plan_id, _, version = plan_key.rpartition("@")
    return plan_id, int(version)


_CLOSED: Final = (
    ("state", STATES),
    ("type", TYPES),
    ("billing_model", BILLING_MODELS),
    ("billing_period", BILLING_PERIODS),
    ("proration", PRORATIONS),
    ("anchor", ANCHORS),
    ("release", RELEASES),
    ("change_policy", CHANGE_POLICIES),
)


def check_plan(plan: Plan) -> None:
    """Whether the plan can be stored at all. Raises ``InvalidRequestError`` naming the field."""
    check_id(plan.plan_id, "plan_id")
    check_id(plan.product_id, "product_id")
    _require(bool(plan.name), "name", "a plan has a name")
    _require("@" not in plan.plan_id, "plan_id", "'@' separates id and version")
    check_words(plan)
    for field in ("base_fee", "minimum_spend"):
        check_prices(getattr(plan, field), field)
    if plan.type == "free":
        _check_free(plan)
    for charge in ("overage", "top_up"):
        if getattr(plan, charge) is not None:
            check_prices(getattr(plan, charge).prices, f"{charge}.prices")
    if plan.overage is not None:
        _require(plan.credits is not None, "overage", "a plan with credits says past which ones")
        _require(plan.overage.cap is None or plan.overage.cap >= 0, "overage.cap", "not negative")
    check_meter_rates(plan.rates, "rates")
    if plan.credits is not None:
        _check_credits(plan.credits)
    if plan.top_up is not None:
        _check_top_up(plan.top_up)
    if plan.trial is not None:
        _check_trial(plan.trial, plan.credits)
    if plan.signup_grant is not None:
        _require(plan.credits is not None, "signup_grant", "a plan with credits says of which type")
        _require(plan.signup_grant.amount > 0, "signup_grant.amount", "more than 0")
        check_lifetime(plan.signup_grant.lifetime, "signup_grant.lifetime")
    _check_at_zero(plan)
    _require(not (plan.rates and plan.rate_card), "rate_card", "give rates or a rate card, not both")
    _, at, version = plan.rate_card.partition("@")
    _require(
        not at or _CARD_VERSION.fullmatch(version) is not None,
        "rate_card",
        f"{plan.rate_card[:128]!r} names no version; write card@2, or card for the newest",
    )


def check_words(plan: Plan) -> None:
    """Settings with a closed list hold one of its words. Raises ``InvalidRequestError`` naming the field."""
    for field, allowed in _CLOSED:
        value = getattr(plan, field)
        _require(value in allowed, field, f"{value[:128]!r} is not one of {', '.join(allowed)}")


def _check_free(plan: Plan) -> None:
    """A free plan has nothing that falls due by itself; what its customer chooses to buy has a price."""
    fixed = {"base_fee": plan.base_fee, "minimum_spend": plan.minimum_spend}
    if plan.credits is not None:
        fixed["credits.prices"] = plan.credits.prices
    for field, prices in fixed.items():
        _require(all(price.is_free for price in prices), field, "a free plan has none; its type is paid then")


def _check_trial(trial: Trial, charge: CreditsCharge | None) -> None:
    _require(1 <= trial.days <= 3_660, "trial.days", "a trial has 1–3660 days")
    _require(trial.end in TRIAL_ENDS, "trial.end", f"one of {', '.join(TRIAL_ENDS)}")
    _require(trial.credits >= 0, "trial.credits", "not negative")
    _require(
        trial.credits == 0 or charge is not None, "trial.credits", "a plan with credits says of which type"
    )


def _check_at_zero(plan: Plan) -> None:
    """The engine takes the policy: it refuses one with the wrong limit together with all that entitles."""
    kind, limit = plan.at_zero.kind, plan.at_zero.limit
    _require(kind in POLICY_KINDS, "at_zero.kind", f"one of {', '.join(POLICY_KINDS)}")
    _require(
        kind != "overage" or plan.overage is not None, "at_zero.kind", "overage needs its charge: set overage"
    )
    _require(
        kind == "hard" or plan.credits is not None,
        "at_zero.kind",
        f"{kind} is of the plan's credits, and this plan has none: set credits, or leave at_zero out",
    )
    if kind == "overdraft":
        _require(limit is not None, "at_zero.limit", "overdraft has a limit in credits: set it")
        _require(limit is None or limit >= 0, "at_zero.limit", "not negative")
    else:
        _require(limit is None, "at_zero.limit", f"only overdraft has one, not {kind}: leave it out")


def check_meter_rates(rates: Sequence[MeterRate], field: str) -> None:
    """Each meter and match has one price.

    Raises ``InvalidRequestError`` naming the rate; meters and tiers are the engine's to judge.
    """
    seen: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    for index, rate in enumerate(rates):
        prices = [rate.credits, *(tier.credits for tier in rate.tiers)]
        _require(
            all(price is None or price >= 0 for price in prices),
            f"{field}[{index}].credits",
            "a price is not negative",
        )
        _require(rate.per > 0, f"{field}[{index}].per", "more than 0")
        key = (rate.meter, tuple(sorted(rate.match.items())))
        if key in seen:
            raise InvalidRequestError(
                f"{field}[{index}]: meter {rate.meter!r} with the same match occurs twice; keep one of them",
                field=field,
            )
        seen.add(key)


def _check_credits(charge: CreditsCharge) -> None:
    _require(charge.amount > 0, "credits.amount", "more than 0")
    _require(1 <= charge.priority <= 100, "credits.priority", "1–100")
    _require(
        charge.cadence in ("", *CADENCES),
        "credits.cadence",
        f"{charge.cadence!r} is not one of {', '.join(CADENCES)}",
    )
    check_prices(charge.prices, "credits.prices")
    check_lifetime(charge.lifetime, "credits.lifetime")
    roll = charge.rollover
    if roll is not None:
        _require(
            roll.fraction is None or 0 <= roll.fraction <= 1, "credits.rollover.fraction", "between 0 and 1"
        )
        _require(roll.amount is None or roll.amount >= 0, "credits.rollover.amount", "not negative")
        _require(
            roll.times is None or 1 <= roll.times <= COUNT_MAX, "credits.rollover.times", f"1–{COUNT_MAX}"
        )
        _require(roll.min is None or roll.min >= 0, "credits.rollover.min", "not negative")


def _check_top_up(charge: TopUpCharge) -> None:
    low, high = charge.min, charge.max
    _require(low is None or low > 0, "top_up.min", "more than 0")
    _require(high is None or high >= (low or 0), "top_up.max", "not below min")
    check_lifetime(charge.lifetime, "top_up.lifetime")


def check_lifetime(lifetime: Lifetime | None, field: str) -> None:
    """Raises ``InvalidRequestError`` naming the part."""
    if lifetime is not None:
        _require(1 <= lifetime.count <= COUNT_MAX, f"{field}.count", f"1–{COUNT_MAX}")
        _require(lifetime.unit in LIFETIME_UNITS, f"{field}.unit", f"one of {', '.join(LIFETIME_UNITS)}")


def _require(holds: bool, field: str, rule: str) -> None:
    if not holds:
        raise InvalidRequestError(f"{field}: {rule}", field=field)


def check_publishable(plan: Plan) -> None:
    """A paid plan has a price, a credit type and a cadence.

    Raises ``PreconditionError`` naming what is missing.
    """
    if plan.type != "paid":
        return
    missing = []
    if not (plan.base_fee or (plan.credits is not None and plan.credits.prices)):
        missing.append(("base_fee", "price (base_fee or credits.prices)"))
    if plan.credits is None or not plan.credits.credit_type:
        missing.append(("credits.credit_type", "credit type (credits.credit_type)"))
    if plan.credits is None or not plan.credits.cadence:
        missing.append(("credits.cadence", "grant cadence (credits.cadence)"))
    if missing:
        lacks = ", no ".join(what for _, what in missing)
        raise PreconditionError(
            f"plan {plan.plan_id!r} cannot be published: it has no {lacks}",
            reason="PLAN_INCOMPLETE",
            field=missing[0][0],
        )
