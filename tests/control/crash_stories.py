"""What customers do, as stories in which every call can be repeated: told again, a story goes on.

One account on its own clock, so that every instant of the end state is the same each time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from drawdown.billing.invoice import Invoice
from drawdown.client.interface import Database
from drawdown.errors import NotFoundError
from drawdown.model.money import Money
from drawdown.storage.sql.tables.flow import notice

START = datetime(2026, 1, 31, tzinfo=UTC)
# What the relay tells of the engine comes in between whenever it comes.
RELAYED = ("balance", "grant", "entitlement", "runway")
WAIT_S = 30.0


def prepare(db: Database) -> None:
    """The catalog, a customer with a card, and its account."""
    db.create_credit_type("credits")
    db.create_credit_type("minutes")
    db.create_meter("calls")
    db.create_product("ai", "AI")
    per_unit = [{"currency": "USD", "model": "per_unit", "amount": "1"}]
    plan(db, "small", "100", "10", rollover={"fraction": "0.5"})
    plan(db, "large", "500", "40")
    plan(db, "trial", "50", "5", trial={"days": 7, "credits": "5"})
    plan(
        db,
        "metered",
        "10",
        "5",
        overage={"prices": per_unit},
        at_zero={"kind": "overage"},
        minimum_spend=[{"currency": "USD", "amount": "20"}],
    )
    dear = [{"currency": "USD", "model": "per_unit", "amount": "3"}]
    plan(db, "dear", "10", "5", overage={"prices": dear}, at_zero={"kind": "overage"})
    plan(db, "topped", "10", "", type="free", top_up={"prices": per_unit})
    plan(db, "minutes", "7", "5", credit_type="minutes")
    plan(db, "licence", "", "7", type="custom", release="on_approval")
    lifetime, prices = {"count": 1}, [{"currency": "USD", "amount": "3", "model": "per_unit"}]
    db.create_pack("pack", name="Pack", amount="10", prices=prices, lifetime=lifetime)
    db.put_customer("customer", payment_method="test_ok")
    db.create_account("acme", customer_id="customer", test_clock=START)


def plan(db: Database, name: str, credits: str, fee: str, **settings: Any) -> None:
    """A monthly plan, published; what goes beyond ``settings`` concerns its credits."""
    more = {"rollover": settings.pop("rollover")} if "rollover" in settings else {}
    credit_type = settings.pop("credit_type", "credits")
    charge = {"credit_type": credit_type, "amount": credits, "cadence": "monthly", **more}
    db.create_plan(
        name,
        product="ai",
        name=name,
        base_fee=[{"currency": "USD", "amount": fee}] if fee else [],
        credits=charge if credits else None,
        rates=[{"meter": "calls", "credits": "2"}],
        **settings,
    )
    db.publish_plan(name)


def advance(db: Database, days: int) -> None:
    """On to so many days after the start, unless the story had come further before it was killed."""
    to = START + timedelta(days=days)
    clock = db.account("acme").test_clock
    assert clock is not None
    if clock < to:
        db.advance_clock("acme", to)


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)


def subscribe(db: Database) -> None:
    """A paid plan with a service from the first day, and another with a trial that converts."""
    services = [{"service_id": "weekly", "pack_id": "pack", "schedule": "weekly"}]
    db.subscribe("acme", "small", subscription_id="s", services=services)
    db.subscribe("acme", "trial", subscription_id="t")
    advance(db, 8)


def purchase(db: Database) -> None:
    """A pack, one that the card declines, a top-up billed later, and a pack given back in part; money off
    the first, and off what is declined."""
    db.subscribe("acme", "topped", subscription_id="s")
    db.create_invoice_credit("acme", "off", amount="4", currency="USD", name="Off", scope={"lines": ["pack"]})
    db.buy_pack("acme", "pack", purchase_id="one", quantity=2)
    db.buy_pack("acme", "pack", purchase_id="declined", payment_method="test_decline")
    db.top_up("acme", "credits", "7", purchase_id="later", bill_later=True)
    db.record("acme", credit_type="credits", credits="25", event_id="use", time=START)
    db.refund_purchase("one", policy="take_unspent")
    advance(db, 30)


def change(db: Database) -> None:
    """Up at once, down at the period's end, paused and resumed in between."""
    db.subscribe("acme", "small", subscription_id="s")
    advance(db, 10)
    db.record("acme", "calls", quantity=20, event_id="one", time=START + timedelta(days=10))
    db.change_plan("s", "large", change_id="up")
    db.change_plan("s", "small", change_id="down", when="period_end")
    advance(db, 40)
    # Neither carries an id: told again they would be another pause.
    if "subscription.paused" not in told(db):
        db.pause_subscription("s")
    if "subscription.resumed" not in told(db):
        db.resume_subscription("s")
    advance(db, 70)


def recharge(db: Database) -> None:
    """Two crossings, two recharges."""
    db.subscribe("acme", "topped", subscription_id="s")
    try:
        db.recharge("acme", "credits")
    except NotFoundError:
        # Carries no id: set again, it would be told again.
        db.set_recharge("acme", "credits", threshold="5", to="20")
    for number, used in enumerate(("6", "16"), 1):
        db.record("acme", credit_type="credits", credits=used, event_id=f"use-{number}", time=START)
        wait_until(lambda count=number: recharged(db, count))


def recharged(db: Database, count: int) -> bool:
    found = db.purchases("acme")
    idle = db.recharge("acme", "credits").standing.state == "idle"
    return len(found) >= count and idle and all(each.state == "granted" for each in found)


def renew(db: Database) -> None:
    """Three renewals with a remainder that rolls, then the end of the subscription."""
    db.subscribe("acme", "small", subscription_id="s")
    db.record("acme", "calls", quantity=20, event_id="one", time=START)
    advance(db, 60)
    db.cancel_subscription("s")
    advance(db, 100)


def invoice(db: Database) -> None:
    """Arrears and a true-up, money off, an invoice approved by hand, and a credit note."""
    db.create_invoice_credit("acme", "welcome", amount="4", currency="USD", name="Welcome")
    db.subscribe("acme", "metered", subscription_id="m")
    db.subscribe("acme", "licence", subscription_id="l")
    db.record("acme", "calls", quantity=8, event_id="one", time=START)
    if db.account("acme").test_clock == START:
        # A draft of a later period is another one.
        for each in db.invoices("acme"):
            if each.state == "draft":
                db.approve_invoice(each.invoice_id)
    first = db.invoices("acme")[0]
    db.create_credit_note(
        "note", first.invoice_id, first.lines[0].line_id, amount=Money(100, "USD"), reason="agreed"
    )
    advance(db, 30)
    db.record("acme", "calls", quantity=9, event_id="late", time=START + timedelta(days=27))
    advance(db, 60)


def leave(db: Database) -> None:
    """Past zero at one price, at another, with none, and on to another credit type, all in one period."""
    db.subscribe("acme", "metered", subscription_id="m")
    db.record("acme", "calls", quantity=8, event_id="before", time=START)
    db.change_plan("m", "dear", change_id="dear")
    db.record("acme", "calls", quantity=2, event_id="after", time=START)
    db.change_plan("m", "small", change_id="none")
    db.change_plan("m", "minutes", change_id="minutes")
    advance(db, 60)


def decline(db: Database) -> None:
    """A card that fails from the first renewal on: past due, retried, another card; that fails for good."""
    db.subscribe("acme", "metered", subscription_id="m")
    db.record("acme", "calls", quantity=8, event_id="one", time=START)
    if db.account("acme").test_clock == START:
        # Carries no id: another method makes another attempt.
        db.put_customer("customer", payment_method="test_decline")
    advance(db, 30)
    renewal = db.invoices("acme")[1].invoice_id
    db.retry_payment(renewal, retry_id="again")
    db.retry_payment(renewal, retry_id="card", payment_method="test_ok")
    if db.account("acme").test_clock == START + timedelta(days=30):
        db.put_customer("customer", payment_method="test_insufficient")
    db.change_plan("m", "metered", change_id="card", payment_method="test_insufficient", when="period_end")
    advance(db, 80)


def housekeeping(db: Database) -> None:
    """Opening balances, a transfer of part of them, and the closing of the account that gave."""
    rows = [
        {"kind": "grant", "account": "acme", "grant_id": stem, "credit_type": "credits", "amount": amount}
        | {"effective_at": START.isoformat(), "cost": "9.00", "cost_currency": "USD"}
        for stem, amount in (("first", "30"), ("second", "60"))
    ]
    db.create_account("other", customer_id="customer", test_clock=START)
    try:
        db.account_closing("acme")
    except NotFoundError:
        assert db.import_opening(rows).applied
        db.subscribe("acme", "small", subscription_id="s")
    db.transfer("t", from_account="acme", to_account="other", credit_type="credits", credits="40")
    closing = db.close_account("acme", remainder="pay_out", confirm=True)
    assert [str(each) for each in closing.payouts] == ["7.50 USD"], closing.payouts
    assert sum(each.remaining for each in db.grants("other")) == 40


STORIES: dict[str, Callable[[Database], None]] = {
    "subscribe": subscribe,
    "purchase": purchase,
    "change": change,
    "recharge": recharge,
    "renew": renew,
    "invoice": invoice,
    "housekeeping": housekeeping,
    "leave": leave,
    "decline": decline,
}


def told(db: Any) -> list[str]:
    """Kinds of notices in their order, those aside that a relay tells in its own time."""
    with db._control_plane().sql.transaction() as work:
        rows = work.connection.execute(
            notice.select().with_only_columns(notice.c.kind).order_by(notice.c.sequence)
        )
        return [kind for (kind,) in rows if kind.partition(".")[0] not in RELAYED]


def state(db: Any) -> dict[str, Any]:
    """All that a customer could see, without names that follow from journal positions."""
    grants = sorted(
        msgspec.to_builtins((each.source, each.state, each.amount, each.remaining, each.effective_at))
        for each in db.grants("acme")
    )
    bought = [
        (
            each.kind,
            each.state,
            each.credits,
            each.price,
            each.charged,
            each.created_at,
            each.refunded,
            each.reason,
        )
        for each in db.purchases("acme")
    ]
    return {
        "subscriptions": list(db.subscriptions("acme")),
        "invoices": [named_alike(each) for each in db.invoices("acme")],
        "credits": list(db.invoice_credits("acme")),
        "purchases": bought,
        "grants": grants,
        "balances": [msgspec.structs.replace(each, seq=0) for each in db.balances("acme")],
        "notices": told(db),
        "charges": sorted(str(each["charge"]["amount"]) for each in charges(db.path)),
    }


def named_alike(invoice: Invoice) -> Invoice:
    """A recharge, and so its invoice, is called after the journal position of its crossing."""
    if not invoice.purchase_id.startswith("recharge:"):
        return invoice
    lines = tuple(msgspec.structs.replace(each, line_id="purchase") for each in invoice.lines)
    return msgspec.structs.replace(invoice, invoice_id="recharge", purchase_id="recharge", lines=lines)


def charges(path: str) -> list[dict[str, Any]]:
    """What the provider was asked for, the last word about each."""
    book = Path(path, "payments-test.jsonl")
    text = book.read_text("utf-8") if book.exists() else ""
    found = [msgspec.json.decode(line) for line in text.splitlines() if '"charge"' in line]
    return list({each["charge"]["key"]: each for each in found if "charge" in each}.values())
