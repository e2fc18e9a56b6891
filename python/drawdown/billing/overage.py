"""Which credits past zero stand on invoices, and which are owed: once, to the unit, under their own period.

The engine counts them per usage period of the event's time; only usage and corrections move them. Beside
it stands what was billed of each. Of a billing period that is closed, a difference is usage that was noted
late, or corrected: an adjustment. Any other difference is the overage of the period that is closed next.

::

    usage periods   ├── a ──┼── b ──┼── c ──┤        started before `until`, so billed with that period
    billing periods ├─ closed ──────┼ until ┤
                    adjustments      overage

Where several subscriptions of an account price one credit type, each bills what was counted while it did:
of an older one what stands before the newer began, and again what follows when that has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from drawdown.model.request import Value
from drawdown.subscriptions.arrears import Arrears


class UsagePeriod(Value, frozen=True):
    """A usage period of the engine by its start, and its credits past zero."""

    start: datetime
    credits: Decimal


class PricedSince(Value, frozen=True):
    """From when on a subscription prices credits past zero, until another one follows."""

    subscription_id: str
    """Empty: none does; what is counted all the same is billed by whichever closes next."""
    since: datetime | None = None
    """``None``: from the beginning."""


class OverageBilled(Value, frozen=True):
    """Credits past zero that stand on invoices so far."""

    account: str
    credit_type: str
    credits: Decimal = Decimal(0)
    """A sum over the oldest usage periods, from when they were not told apart."""
    periods: tuple[UsagePeriod, ...] = ()
    """Of each usage period since ``settled``, oldest first."""
    closed: tuple[Arrears, ...] = ()
    """Billing periods closed since ``settled``, oldest first."""
    given_up: tuple[str, ...] = ()
    """Stems of closed ones that nobody pays for: what comes off their usage later is no money back."""
    settled: datetime | None = None
    """Neither usage nor corrections are taken any more in what began before this; it is billed for good."""
    priced: tuple[PricedSince, ...] = ()
    """Whose the usage periods are, oldest first; empty: of whichever billing period closes first."""


class LateUsage(Value, frozen=True):
    """A closed billing period whose overage is another now."""

    closed: Arrears
    before: Decimal
    credits: Decimal


class OverageOwed(Value, frozen=True):
    """What is owed beyond what stands on invoices."""

    credits: Decimal
    before: Decimal = Decimal(0)
    """What stands on invoices of the same usage periods."""
    late: tuple[LateUsage, ...] = ()


def overage_owed(
    billed: OverageBilled, usage: Sequence[UsagePeriod], subscription_id: str, until: datetime | None = None
) -> OverageOwed:
    """What usage periods that began before ``until`` (all where absent) owe: those that the subscription
    prices, and what came late to closed ones. ``usage`` is oldest first."""
    known = _billed_of(billed, usage)
    credits, before = Decimal(0), Decimal(0)
    late: dict[str, LateUsage] = {}
    for each in usage:
        if until is not None and each.start >= until:
            break
        closed = _closed_over(billed, each.start)
        if closed is None and _pricer(billed, each.start) not in ("", subscription_id):
            continue
        if closed is None:
            credits += each.credits - known[each.start]
            before += known[each.start]
            continue
        so_far = late.get(closed.stem) or LateUsage(closed, Decimal(0), Decimal(0))
        late[closed.stem] = LateUsage(
            closed, so_far.before + known[each.start], so_far.credits + each.credits
        )
    changed = tuple(each for each in late.values() if each.before != each.credits)
    return OverageOwed(credits, before, changed)


def overage_noted(
    billed: OverageBilled, usage: Sequence[UsagePeriod], arrears: Arrears, *, changes_for: timedelta
) -> OverageBilled:
    """All that usage periods before ``arrears.until`` owe stands on an invoice, but those that another
    subscription prices, whose billing period is open.

    What lies ``changes_for`` behind it and more is settled: nothing is taken there any more.
    """
    known = _billed_of(billed, usage)
    others = [each for each in billed.closed if each.stem != arrears.stem]
    closed = sorted((*others, arrears), key=lambda each: each.until)
    noted = msgspec.structs.replace(billed, closed=tuple(closed))
    looked_at = {
        each.start
        for each in usage
        if each.start < arrears.before and _closed_over(noted, each.start) is not None
    }
    stand = {each.start: each.credits if each.start in looked_at else known[each.start] for each in usage}
    settled = billed.settled
    for each in closed:
        if each.until <= arrears.until - changes_for:
            settled = each.until
    owing = [each.start for each in usage if each.credits != stand[each.start]]
    if settled is not None:
        # What another subscription owes since before is not billed yet.
        settled = _within_reach(billed, closed, min([settled, *owing]))
    return msgspec.structs.replace(
        billed,
        credits=Decimal(0),
        periods=tuple(
            UsagePeriod(start, credits)
            for start, credits in stand.items()
            if credits and (settled is None or start >= settled)
        ),
        closed=tuple(each for each in closed if settled is None or each.until > settled),
        settled=settled,
        priced=_priced_from(billed.priced, settled),
    )


def _within_reach(billed: OverageBilled, closed: Sequence[Arrears], settled: datetime) -> datetime | None:
    """Not past what the subscription that prices now has closed, or its beginning: what it has counted in its
    open billing period may have begun long before, and may come to more."""
    now = billed.priced[-1] if billed.priced else PricedSince(subscription_id="")
    if now.subscription_id:
        own = [each.until for each in closed if each.subscription_id == now.subscription_id]
        reach = max([*own, *([] if now.since is None else [now.since])], default=None)
        if reach is None or (billed.settled is not None and reach < billed.settled):
            return billed.settled
        settled = min(settled, reach)
    return settled


def overage_since(
    billed: OverageBilled, usage: Sequence[UsagePeriod], subscription_id: str, since: datetime | None
) -> tuple[Decimal, OverageBilled]:
    """What usage periods of the subscription that began at ``since`` or later (all where absent) owe now, and
    that as billed.

    Their billing period is open: what they come to after this is owed beyond it.
    """
    known = _billed_of(billed, usage)
    present = [
        each
        for each in usage
        if (since is None or each.start >= since)
        and (not billed.priced or _pricer(billed, each.start) == subscription_id)
    ]
    credits = sum((each.credits - known[each.start] for each in present), Decimal(0))
    stand = {**known, **{each.start: each.credits for each in present}}
    kept = [start for start in stand if billed.settled is None or start >= billed.settled]
    periods = tuple(UsagePeriod(start, stand[start]) for start in kept if stand[start])
    return credits, msgspec.structs.replace(billed, credits=Decimal(0), periods=periods)


def _billed_of(billed: OverageBilled, usage: Sequence[UsagePeriod]) -> dict[datetime, Decimal]:
    """What stands on invoices of each usage period."""
    stand = {each.start: each.credits for each in billed.periods}
    undivided = billed.credits
    found = {}
    for each in usage:
        if billed.settled is not None and each.start < billed.settled:
            found[each.start] = each.credits
        elif each.start in stand:
            found[each.start] = stand[each.start]
        else:
            found[each.start] = min(undivided, each.credits)
            undivided -= found[each.start]
    return found


def _closed_over(billed: OverageBilled, start: datetime) -> Arrears | None:
    """The closed billing period that a usage period is billed with."""
    pricer = _pricer(billed, start)
    mine = [each for each in billed.closed if pricer in ("", each.subscription_id)]
    return next((each for each in mine if each.bills(start)), None)


def _pricer(billed: OverageBilled, start: datetime) -> str:
    """The subscription that prices a usage period; empty: whichever closes first."""
    begun = [each for each in billed.priced if each.since is None or each.since <= start]
    return begun[-1].subscription_id if begun else ""


def _priced_from(priced: tuple[PricedSince, ...], settled: datetime | None) -> tuple[PricedSince, ...]:
    """Without what was over before ``settled``."""
    if settled is None:
        return priced
    over = [each for each in priced[1:] if each.since is not None and each.since <= settled]
    return priced[len(over) :]


def credits_of(billed: OverageBilled, usage: Sequence[UsagePeriod], closed: Arrears) -> Decimal:
    """Credits past zero of a closed billing period, or of a part of it, as they are now."""
    mine = (each.credits for each in usage if _closed_over(billed, each.start) == closed)
    return sum(mine, Decimal(0))
