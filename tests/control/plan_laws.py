"""What holds of a customer's subscriptions, invoices and money after any story (``plan_stories``)."""

from __future__ import annotations

import itertools
from collections import defaultdict
from datetime import datetime
from typing import Any

from drawdown.billing.invoice import DRAFT_STATES, Invoice
from drawdown.model.money import Money, total

from tests.control.crash_stories import charges

CURRENCY = "USD"
ALL = 1000


def broken_laws(db: Any, now: datetime, by_hand: int) -> list[str]:
    """Each law that does not hold of account ``acme`` at ``now``, its own clock; and what breaks it.

    ``by_hand``: cents that were paid past the provider.
    """
    invoices = list(db.invoices("acme", limit=ALL))
    found = [f"conservation: {each}" for each in db.verify("acme").violations]
    for invoice in invoices:
        found += (f"{invoice.invoice_id}: {wrong}" for wrong in _invoice(invoice, now))
    found += _numbers(invoices)
    found += _asked_twice(invoices)
    found += _unpaid(list(db.purchases("acme", limit=ALL)), invoices)
    subscriptions = list(db.subscriptions("acme", limit=ALL))
    found += _tiles(subscriptions, invoices)
    for each in subscriptions:
        found += (f"{each.subscription_id}: {wrong}" for wrong in _subscription(each, now))
    return found + _money(db, invoices, Money(by_hand, CURRENCY))


def _invoice(invoice: Invoice, now: datetime) -> list[str]:
    found = []
    sums = invoice.totals
    if sums is not None:
        if sums.gross != invoice.gross:
            found.append(f"gross {sums.gross}, but its lines come to {invoice.gross}")
        if sums.gross - sums.credited + sums.tax != sums.total:
            found.append(f"total {sums.total} of {sums}")
        if sums.total - sums.balance_used != sums.due:
            found.append(f"due {sums.due} of {sums}")
        if sums.credited.minor < 0 or sums.balance_used.minor < 0:
            found.append(f"less than nothing is taken off: {sums}")
    if invoice.created_at > now:
        found.append(f"made at {invoice.created_at}, which is still to come")
    is_draft = invoice.state in DRAFT_STATES
    if is_draft == bool(invoice.number) and invoice.state != "void":
        found.append(f"{invoice.state} with the number {invoice.number!r}")
    if is_draft and not invoice.held and invoice.closes_at is not None and invoice.closes_at < now:
        found.append(f"should have been final at {invoice.closes_at}")
    if invoice.state == "finalized" and invoice.retry_at is not None and invoice.retry_at < now:
        found.append(f"should have been tried again at {invoice.retry_at}")
    return found


def _numbers(invoices: list[Invoice]) -> list[str]:
    series: dict[str, list[int]] = defaultdict(list)
    for each in invoices:
        if each.number:
            name, _, number = each.number.rpartition("-")
            series[name].append(int(number))
    return [
        f"numbers of {name}: {sorted(numbers)}"
        for name, numbers in series.items()
        if sorted(numbers) != list(range(1, len(numbers) + 1))
    ]


def _asked_twice(invoices: list[Invoice]) -> list[str]:
    """What a line is for is on one invoice that is not void."""
    seen: dict[str, str] = {}
    found = []
    for invoice in invoices:
        for line in invoice.lines if invoice.state != "void" else ():
            if (before := seen.setdefault(line.line_id, invoice.invoice_id)) != invoice.invoice_id:
                found.append(f"{line.line_id} on {before} and on {invoice.invoice_id}")
    return found


def _unpaid(purchases: list[Any], invoices: list[Invoice]) -> list[str]:
    """Whoever pays at once has his credits when he has paid."""
    states = {each.invoice_id: each.state for each in invoices}
    return [
        f"{each.purchase_id}: granted, and {each.invoice_id} is {states.get(each.invoice_id)}"
        for each in purchases
        if each.state == "granted" and not each.bill_later and states.get(each.invoice_id) != "paid"
    ]


def _tiles(subscriptions: list[Any], invoices: list[Invoice]) -> list[str]:
    """Base fees of a subscription whose plan never changed are for periods that do not overlap."""
    changed = {each.subscription_id for each in subscriptions if each.epoch or each.seen}
    periods = defaultdict(list)
    for invoice in invoices:
        if invoice.corrects or invoice.state == "void":
            continue
        for line in invoice.lines:
            if line.kind == "base_fee" and line.period is not None and line.subscription_id not in changed:
                periods[line.subscription_id].append((line.period.start, line.period.end, invoice.invoice_id))
    return [
        f"{name}: a base fee from {after[0]} on {after[2]} beside one until {before[1]} on {before[2]}"
        for name, of in periods.items()
        for before, after in itertools.pairwise(sorted(of))
        if after[0] < before[1]
    ]


def _subscription(subscription: Any, now: datetime) -> list[str]:
    found = []
    if subscription.state == "ended":
        if subscription.ended_at is None or subscription.ended_at > now:
            found.append(f"ended, at {subscription.ended_at}")
        return found
    if subscription.ends_at is not None and subscription.ends_at < now and subscription.state != "paused":
        found.append(f"{subscription.state}, though it ends at {subscription.ends_at}")
    if subscription.state in ("active", "past_due"):
        following = subscription.billing.edge(subscription.billing_next)
        if following < now:
            found.append(f"its period from {following} has not begun")
    return found


def _money(db: Any, invoices: list[Invoice], by_hand: Money) -> list[str]:
    """What the provider took, less what it gave back, is on invoices or the customer's to use."""
    taken = total(
        [
            Money(each["charge"]["amount"]["minor"], CURRENCY)
            - Money((each["charge"]["refunded"] or {"minor": 0})["minor"], CURRENCY)
            for each in charges(db.path)
            if each["charge"]["state"] in ("succeeded", "refunded")
        ],
        CURRENCY,
    )
    with db._control_plane().sql.transaction() as work:
        kept = work.money_balances.get(account="acme", currency=CURRENCY)
    balance = kept.balance if kept is not None else Money(0, CURRENCY)
    void = {each.invoice_id for each in invoices if each.state == "void"}
    # A note over what has become void since takes nothing back.
    settled = total([_settled(each) for each in invoices if each.corrects not in void], CURRENCY)
    if taken + by_hand != settled + balance:
        return [
            f"the provider holds {taken}, {by_hand} came by hand; "
            f"{settled} of invoices are paid, {balance} are the customer's"
        ]
    return []


def _settled(invoice: Invoice) -> Money:
    waiting = invoice.notes_waiting or Money(0, CURRENCY)
    if invoice.state == "void" or invoice.totals is None:
        return Money(0, CURRENCY)
    if invoice.corrects:
        return invoice.totals.total
    if invoice.state in DRAFT_STATES:
        return invoice.advance if invoice.advance and invoice.advance_state == "paid" else Money(0, CURRENCY)
    return invoice.paid_so_far + waiting
