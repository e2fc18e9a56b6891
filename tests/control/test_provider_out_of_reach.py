"""A payment provider out of reach holds up its payments, not what the account's calendar brings meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import drawdown
import pytest
from drawdown.client.interface import Database
from drawdown.subscriptions.identifiers import lane_of

from .conftest import SMALL, prepare
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


def test_a_first_payment_that_cannot_be_asked_for_holds_up_the_period_that_waits_for_it(
    quick: Database,
) -> None:
    """Its first period's end would end the subscription, and the money be asked for all the same."""
    published(quick, "plan")
    quick.put_customer("acme", payment_method="test_unreachable")
    quick.create_account("acme", customer_id="acme")
    assert quick.subscribe("acme", "plan", subscription_id="s").state == "pending"
    (invoice,) = quick.invoices("acme")
    assert (invoice.state, invoice.payment_failure) == ("finalized", "")
    with quick._control_plane().sql.transaction() as work:  # type: ignore[attr-defined]
        (head,) = work.jobs.heads("", 2**62, 2**62, 10, (lane_of("acme"),))
    assert (head.kind, head.payload["invoice_id"]) == ("invoice.collect", invoice.invoice_id)

    quick.put_customer("acme", payment_method="test_ok")
    wait_until(lambda: quick.balance("acme", "credits").available == Decimal(1000))
    assert quick.subscription("s").state == "active"
