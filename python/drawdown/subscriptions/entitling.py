"""What a plan does to its account in the engine besides grants: rate table, policy, period edges."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

from drawdown.catalog.plan import MeterRate, Plan
from drawdown.catalog.pricing import price_for
from drawdown.catalog.rate_card import RateCard
from drawdown.model import commands
from drawdown.model.credits import decimal_text
from drawdown.model.instants import us_from_instant
from drawdown.subscriptions.calendar import Schedule
from drawdown.subscriptions.identifiers import derived
from drawdown.subscriptions.subscription import Subscription

# Edges are told this many periods ahead, so that a control plane that was away finds them told.
EDGES_AHEAD = 3


# One that waits for its first payment entitles to nothing; what is paused has its period paid.
_ENTITLING: Final = frozenset({"trialing", "active", "past_due", "paused"})

_NOWHERE: Final[Mapping[str, datetime]] = MappingProxyType({})


def in_force(subscriptions: Iterable[Subscription]) -> list[Subscription]:
    """Those that entitle their account, newest first: the order in which prices and policies win."""
    return newest_first(each for each in subscriptions if each.state in _ENTITLING)


def newest_first(subscriptions: Iterable[Subscription]) -> list[Subscription]:
    """By when they started; those of one instant by their ids, so that the order is always the same."""
    return sorted(subscriptions, key=lambda each: (each.started_at, each.subscription_id), reverse=True)


def policy_commands(
    account: str,
    entitled: Sequence[tuple[Subscription, Plan]],
    left: Plan | None = None,
    apart_since: Mapping[str, datetime] = _NOWHERE,
) -> list[commands.Command]:
    """The policy at zero of each pool under its newest plan; pools that only ``left`` served are ``hard``.

    Of a credit type in ``apart_since`` overage of events from then on is counted apart: its price is another.
    """
    policies: dict[str, commands.Command] = {}
    for subscription, plan in entitled:
        if plan.credits is not None and plan.credits.credit_type not in policies:
            policies[plan.credits.credit_type] = _policy_of(
                account, subscription, plan, apart_since.get(plan.credits.credit_type)
            )
    charge = None if left is None or _is_hard(left) else left.credits
    if charge is not None and charge.credit_type not in policies:
        credit_type = charge.credit_type
        policies[credit_type] = commands.set_policy(account, credit_type, "hard")
    return list(policies.values())


def serves_past_zero(subscription: Subscription, plan: Plan) -> bool:
    """Whether credits past zero are priced now: during a trial nothing is charged, so nothing is used that
    would have to be; nor on top of a debt."""
    is_unpaid = subscription.state == "past_due" and plan.release == "on_payment"
    return plan.overage is not None and subscription.state != "trialing" and not is_unpaid


def pricing_past_zero(entitled: Sequence[tuple[Subscription, Plan]]) -> dict[str, str]:
    """The subscription that prices credits past zero, by credit type; empty where the newest does not."""
    pricing: dict[str, str] = {}
    for subscription, plan in entitled:
        if plan.credits is not None:
            pricer = subscription.subscription_id if serves_past_zero(subscription, plan) else ""
            pricing.setdefault(plan.credits.credit_type, pricer)
    return pricing


def _is_hard(plan: Plan) -> bool:
    return plan.overage is None and plan.at_zero.kind == "hard"


def _policy_of(
    account: str, subscription: Subscription, plan: Plan, apart_since: datetime | None
) -> commands.SetPolicy:
    assert plan.credits is not None
    credit_type = plan.credits.credit_type
    if plan.overage is None:
        return commands.set_policy(account, credit_type, plan.at_zero.kind, limit=plan.at_zero.limit)
    if not serves_past_zero(subscription, plan):
        return commands.set_policy(account, credit_type, "hard")
    price = price_for(plan.overage.prices, subscription.currency, subscription.country)
    return commands.set_policy(
        account,
        credit_type,
        "overage",
        price="0" if price is None else decimal_text(price.amount),
        cap=plan.overage.cap,
        since=apart_since,
    )


def edges_ahead(billing: Schedule, number: int, earliest: datetime) -> list[datetime]:
    """The next edges behind period ``number``, those that can still be told to the engine or withdrawn."""
    edges = [billing.edge(number + ahead) for ahead in range(1, EDGES_AHEAD + 1)]
    return [edge for edge in edges if edge > earliest]


def edge_commands(
    account: str, edges: Sequence[datetime], *, withdrawn: bool = False
) -> list[commands.Command]:
    """The account's usage periods begin at these instants, or after all do not; as one group."""
    return [commands.set_period_edge(account, edge, withdrawn=withdrawn) for edge in edges]


def rate_table_name(plan: Plan) -> str:
    """The engine's table of a plan version."""
    return derived("plan", plan.plan_id, plan.version)


def rate_commands(table: str, plan: Plan) -> list[commands.Command]:
    """The plan's rates as the engine's; they never change under this name."""
    return [_rate_command(table, plan.burns, rate) for rate in plan.rates]


def card_commands(table: str, card: RateCard) -> list[commands.Command]:
    """A rate card's version as the engine's table."""
    return [_rate_command(table, card.credit_type, rate) for rate in card.rates]


def _rate_command(table: str, credit_type: str, rate: MeterRate) -> commands.Command:
    return commands.set_rate(
        table=table,
        meter=rate.meter,
        credit_type=credit_type,
        credits=rate.credits,
        tiers=[(tier.up_to, tier.credits) for tier in rate.tiers] or None,
        per=rate.per,
        package=rate.package,
        match=rate.match,
    )


def merged_table(plans: Sequence[Plan]) -> tuple[str, list[commands.Command]]:
    """One table of several plans, newest first: where two price one meter, the first of them wins."""
    priced = [plan for plan in plans if plan.rate_table]
    if not priced:
        return "", []
    if len(priced) == 1:
        return priced[0].rate_table, []
    name = derived("merged", *(plan.rate_table for plan in priced))
    taken: set[str] = set()
    rates: list[commands.Command] = []
    for plan in priced:
        mine = [rate for rate in plan.rates if rate.meter not in taken]
        for command, rate in zip(rate_commands(name, plan), plan.rates, strict=True):
            if rate in mine:
                rates.append(command)
        taken |= {rate.meter for rate in plan.rates}
    return name, rates


def assign_command(account: str, table: str, start: datetime) -> commands.AssignRateTable:
    """From ``start`` on the account's usage is priced by the table; earlier usage keeps its price."""
    return commands.AssignRateTable(account=account, table=table, valid_from=us_from_instant(start))
