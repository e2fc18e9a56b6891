"""A payment provider out of reach holds up its payments, not what the account's calendar brings meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import drawdown
import pytest
import sqlalchemy as sa
from drawdown.billing.invoice import Invoice
from drawdown.client.interface import Database
from drawdown.runtime.control.late_payments import LOOK_JOB
from drawdown.storage.sql import tables
from drawdown.subscriptions.identifiers import lane_aside, lane_of

from .conftest import SMALL, START, prepare
from .plans import published
from .test_rollover_after_downtime import CREDITS, months_before
from .waiting import wait_until


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Database]:
    """A database whose breakage is booked a moment after it falls due."""
    with drawdown.open(tmp_path / "data", **SMALL, late_grace_s=1, sweep_interval_ms=20) as opened:
        prepare(opened)
        yield opened


def test_a_remainder_rolls_and_the_next_period_begins_while_a_payment_cannot_be_asked_for(
    quick: Database,
) -> None:
    """A pack is being paid over a period's end and the late grace: 400 roll, the next 1000 come."""
    published(quick, "plan", credits=CREDITS, release="immediate")
    quick.create_pack("pack", name="pack", amount="5", prices=[{"currency": "USD", "amount": "3"}])
    quick.put_customer("acme", payment_method="")
    quick.create_account("acme", customer_id="acme")
    edge = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    begun = months_before(edge).isoformat()
    row = {"kind": "subscription", "subscription_id": "s", "account": "acme", "plan_id": "plan"}
    assert quick.import_opening([{**row, "started_at": begun, "credits_left": "400"}]).applied
    quick.put_customer("acme", payment_method="test_unreachable")
    quick.add_service("s", "pack", service_id="bought", schedule="one_off")

    time.sleep(max(0.0, (edge - datetime.now(UTC)).total_seconds()))
    wait_until(lambda: quick.balance("acme", "credits").available == Decimal(1405))
    (rolled,) = [each for each in quick.grants("acme") if each.source == "rollover"]
    assert rolled.amount == Decimal(400)

    quick.put_customer("acme", payment_method="test_ok")
    invoices = quick.invoices("acme")
    assert [each.state for each in invoices] == ["finalized", "finalized"]
    for each in invoices:
        quick.retry_payment(each.invoice_id, retry_id="in reach again")
    wait_until(lambda: {each.state for each in quick.invoices("acme")} == {"paid"})
    assert quick.balance("acme", "credits").available == Decimal(1405)
    assert quick.verify("acme")


def finalized_in_advance(db: Database, method: str) -> Invoice:
    """An invoice that closed while the provider was asked for what is paid of it in advance."""
    prepare(db)
    prices = [{"currency": "USD", "model": "per_unit", "amount": "1"}]
    published(db, "plan", credits="100", overage={"prices": prices}, at_zero={"kind": "overage"})
    db.put_customer("acme", payment_method=method)
    db.create_account("acme", customer_id="acme")
    edge = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    row = {"kind": "subscription", "subscription_id": "s", "account": "acme", "plan_id": "plan"}
    begun = months_before(edge).isoformat()
    assert db.import_opening([{**row, "started_at": begun, "credits_left": "50"}]).applied
    wait_until(lambda: [each.state for each in db.invoices("acme")] == ["finalized"])
    return db.invoices("acme")[0]


def test_a_payment_in_advance_that_waits_is_not_asked_for_once_the_invoice_is_paid(tmp_path: Path) -> None:
    """The invoice closes meanwhile and is marked paid; the provider, in reach again, is asked for nothing."""
    with drawdown.open(tmp_path / "data", **SMALL, invoice_grace_s=1) as db:
        invoice = finalized_in_advance(db, "test_unreachable")
        assert invoice.advance_state == "asked"
        assert db.mark_invoice_paid(invoice.invoice_id).state == "paid"
        db.put_customer("acme", payment_method="test_ok")
        plane = db._control_plane()

        def is_done() -> bool:
            with plane.sql.transaction() as work:
                waiting = work.jobs.heads("", 2**62, 2**62, 10, (lane_aside(lane_of("acme")),))
            # What was asked for earlier is looked for later.
            return all(each.kind == LOOK_JOB for each in waiting)

        wait_until(is_done)
        assert plane.provider.charges() == []


def test_an_advance_that_is_paid_after_the_invoice_was_marked_paid_is_the_accounts(tmp_path: Path) -> None:
    """The provider had it on its way: what comes besides is money of the account, once."""
    with drawdown.open(tmp_path / "data", **SMALL, invoice_grace_s=1) as db:
        invoice = finalized_in_advance(db, "test_pending")
        assert db.mark_invoice_paid(invoice.invoice_id).state == "paid"
        plane = db._control_plane()
        (charge,) = plane.provider.charges()
        body, headers = plane.provider.finish(charge.key)
        for _ in range(2):
            db.provider_callback(body.decode(), headers)
        with plane.sql.transaction() as work:
            (balance,) = work.money_balances.find()
        assert balance.balance == invoice.advance


def test_a_first_payment_that_cannot_be_asked_for_holds_up_no_other_subscription(quick: Database) -> None:
    """Beside it a remainder rolls and a period begins over an edge; in reach again it is paid and active."""
    published(quick, "plan", credits=CREDITS, release="immediate")
    published(quick, "addon", credits="10", fee="3")
    quick.put_customer("acme", payment_method="test_ok")
    quick.create_account("acme", customer_id="acme")
    edge = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    row = {"kind": "subscription", "subscription_id": "s", "account": "acme", "plan_id": "plan"}
    begun = months_before(edge).isoformat()
    assert quick.import_opening([{**row, "started_at": begun, "credits_left": "400"}]).applied
    quick.put_customer("acme", payment_method="test_unreachable")
    assert quick.subscribe("acme", "addon", subscription_id="x").state == "pending"

    wait_until(lambda: quick.balance("acme", "credits").available == Decimal(1400))
    assert quick.subscription("x").state == "pending"
    quick.put_customer("acme", payment_method="test_ok")
    wait_until(lambda: quick.balance("acme", "credits").available == Decimal(1410))
    wait_until(lambda: quick.subscription("x").state == "active")


@pytest.fixture
def on_a_clock(tmp_path: Path) -> Iterator[Database]:
    """An account on a clock of its own, whose customer's payments cannot be asked for."""
    with drawdown.open(tmp_path / "data", **SMALL) as opened:
        prepare(opened)
        opened.put_customer("acme", payment_method="test_unreachable")
        opened.create_account("acme", customer_id="acme", test_clock=START)
        yield opened


def test_a_clock_goes_on_while_a_payment_cannot_be_asked_for(on_a_clock: Database) -> None:
    """It is asked for again whenever the clock moves."""
    published(on_a_clock, "plan", release="immediate")
    on_a_clock.subscribe("acme", "plan", subscription_id="s")
    assert on_a_clock.advance_clock("acme", START + timedelta(days=29)).applied
    assert on_a_clock.balance("acme", "credits").available == Decimal(1000)
    assert [each.state for each in on_a_clock.invoices("acme")] == ["finalized", "finalized"]
    on_a_clock.put_customer("acme", payment_method="test_ok")
    on_a_clock.advance_clock("acme", START + timedelta(days=30))
    assert [each.state for each in on_a_clock.invoices("acme")] == ["paid", "paid"]


def test_what_could_not_be_asked_for_ends_with_its_first_period_and_is_never_charged(
    on_a_clock: Database,
) -> None:
    published(on_a_clock, "plan")
    assert on_a_clock.subscribe("acme", "plan", subscription_id="s").state == "pending"
    on_a_clock.advance_clock("acme", START + timedelta(days=29))
    assert on_a_clock.subscription("s").state == "ended"
    on_a_clock.put_customer("acme", payment_method="test_ok")
    on_a_clock.advance_clock("acme", START + timedelta(days=30))
    assert [each.state for each in on_a_clock.invoices("acme")] == ["void"]
    assert on_a_clock._control_plane().provider.charges() == []  # type: ignore[attr-defined]


def test_credits_of_a_later_cadence_wait_with_the_first_payment(on_a_clock: Database) -> None:
    """Of a year that is paid for in its second month, the credits of both months are there."""
    published(on_a_clock, "plan", billing_period="yearly")
    on_a_clock.subscribe("acme", "plan", subscription_id="s")
    on_a_clock.advance_clock("acme", START + timedelta(days=29))
    assert on_a_clock.balance("acme", "credits").available == 0
    on_a_clock.put_customer("acme", payment_method="test_ok")
    on_a_clock.advance_clock("acme", START + timedelta(days=30))
    assert on_a_clock.subscription("s").state == "active"
    assert on_a_clock.balance("acme", "credits").available == Decimal(2000)


def close(db: Database) -> None:
    db.close_account("acme", confirm=True)


def cancel(db: Database) -> None:
    db.cancel_subscription("s", when="now")


@pytest.mark.parametrize("ended_by", [cancel, close])
def test_what_ended_before_its_first_payment_could_be_asked_for_is_never_charged(
    quick: Database, ended_by: Callable[[Database], None]
) -> None:
    """The provider is in reach again afterwards: the invoice is void, and nobody is asked."""
    published(quick, "plan")
    quick.put_customer("acme", payment_method="test_unreachable")
    quick.create_account("acme", customer_id="acme")
    assert quick.subscribe("acme", "plan", subscription_id="s").state == "pending"
    ended_by(quick)
    assert quick.subscription("s").state == "ended"
    assert [each.state for each in quick.invoices("acme")] == ["void"]

    quick.put_customer("acme", payment_method="test_ok")
    plane = quick._control_plane()  # type: ignore[attr-defined]
    wait_until(lambda: not due_jobs(quick, "invoice.collect"))
    assert plane.provider.charges() == []


def due_jobs(db: Database, kind: str) -> list[str]:
    """Jobs of a kind that wait for the wall clock, by their keys."""
    with db._control_plane().sql.transaction() as work:  # type: ignore[attr-defined]
        lanes = (lane_of("acme"), lane_aside(lane_of("acme")))
        return [each.key for each in work.jobs.heads("", 2**62, 2**62, 10, lanes) if each.kind == kind]


def test_an_erasure_drops_the_words_of_a_payment_that_stepped_aside(quick: Database) -> None:
    """What a provider out of reach said may name the customer."""
    published(quick, "plan", credits=CREDITS, release="immediate")
    quick.create_pack("pack", name="pack", amount="5", prices=[{"currency": "USD", "amount": "3"}])
    quick.put_customer("jane", payment_method="test_ok")
    quick.create_account("acme", customer_id="jane")
    quick.subscribe("acme", "plan", subscription_id="s")
    quick.put_customer("jane", payment_method="test_unreachable")
    quick.add_service("s", "pack", service_id="bought", schedule="one_off")

    def words() -> list[str]:
        aside = tables.flow.job.c.lane == lane_aside(lane_of("acme"))
        plane = quick._control_plane()  # type: ignore[attr-defined]
        with plane.sql._engine.connect() as connection:
            return list(connection.execute(sa.select(tables.flow.job.c.failure).where(aside)).scalars())

    wait_until(lambda: any(words()))
    quick.put_customer("jane", payment_method="test_ok")
    quick.close_account("acme", confirm=True)
    quick.erase_customer("jane", confirm=True)
    assert words() and not any(words())
