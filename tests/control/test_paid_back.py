"""Money comes back as far as it came: nothing of what is unpaid, promotional, or given back before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import drawdown
import pytest
from drawdown.billing.invoice import Invoice
from drawdown.embedded import EmbeddedDatabase
from drawdown.model.money import Money
from drawdown.payments import ChargeState

from .conftest import SMALL, START, prepare
from .plans import published
from .test_invoice_callbacks import tell
from .test_invoices import FEBRUARY_END, GRACE, MARCH_END, credit, lines, newest, overage_plan, usd

MIDDLE = START + timedelta(days=14)


@pytest.fixture
def db(tmp_path: Path, db_url: str) -> Iterator[EmbeddedDatabase]:
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as opened:
        assert isinstance(opened, EmbeddedDatabase)
        prepare(opened)
        opened.put_customer("c", payment_method="test_ok")
        opened.create_account("acme", customer_id="c", test_clock=START)
        opened.create_pack("pack", name="pack", amount="10", prices=[{"currency": "USD", "amount": "100"}])
        yield opened


def balance_of(db: EmbeddedDatabase, purchase_id: str = "look") -> Money:
    """What the account has with us: what a pack for 100 USD need not be charged for."""
    charged = db.buy_pack("acme", "pack", purchase_id=purchase_id, payment_method="test_ok").charged
    assert charged is not None
    return usd(100) - charged


def note(db: EmbeddedDatabase, invoice: Invoice, amount: int, note_id: str = "note") -> Invoice:
    return db.create_credit_note(note_id, invoice.invoice_id, invoice.lines[0].line_id, amount=usd(amount))


def waiting_invoice(db: EmbeddedDatabase) -> Invoice:
    """20 USD that the bank has not confirmed."""
    published(db, "plan")
    db.subscribe("acme", "plan", subscription_id="s", payment_method="test_pending")
    return newest(db, "acme")


def test_a_note_on_an_invoice_that_becomes_void_gives_nothing(db: EmbeddedDatabase) -> None:
    invoice = waiting_invoice(db)
    note(db, invoice, 15)
    assert db.invoice(invoice.invoice_id).notes_waiting == usd(15)
    db.close_invoice(invoice.invoice_id, "void")
    assert balance_of(db) == usd(0)


def test_a_note_on_a_purchase_that_fails_gives_nothing(db: EmbeddedDatabase) -> None:
    db.buy_pack("acme", "pack", purchase_id="p", payment_method="test_pending")
    note(db, newest(db, "acme"), 100)
    tell(db, "purchase:p", ChargeState.FAILED)
    assert (db.purchase("p").state, newest(db, "acme").state) == ("failed", "paid")
    assert balance_of(db) == usd(0)


def test_what_a_note_took_back_is_there_when_the_invoice_is_paid(db: EmbeddedDatabase) -> None:
    """All was asked for, so all of the note is the account's when that is paid, once."""
    invoice = waiting_invoice(db)
    note(db, invoice, 15)
    note(db, invoice, 2, "second")
    tell(db, invoice.invoice_id, times=2)
    assert (db.invoice(invoice.invoice_id).state, db.invoice(invoice.invoice_id).notes_waiting) == (
        "paid",
        None,
    )
    assert balance_of(db) == usd(17)
    note(db, invoice, 3, "third")
    assert balance_of(db, "again") == usd(3)


def test_what_a_note_took_back_of_the_balance_goes_back_to_it(db: EmbeddedDatabase) -> None:
    """18 of 20 were paid from the balance, 2 are not paid: of a note over 15, those 2 are nobody's yet."""
    published(db, "first")
    db.subscribe("acme", "first", subscription_id="first")
    note(db, newest(db, "acme"), 18, "earlier")
    invoice = waiting_invoice(db)
    assert (invoice.due, invoice.state) == (usd(2), "finalized")
    note(db, invoice, 15)
    assert db.invoice(invoice.invoice_id).notes_waiting == usd(2)
    db.close_invoice(invoice.invoice_id, "void")
    assert balance_of(db) == usd(18)


def test_credits_that_wait_for_their_payment_are_not_paid_out(db: EmbeddedDatabase) -> None:
    """The account is closed first: what the customer paid for is paid out, and that is the pack alone."""
    credits = {
        "credit_type": "credits",
        "amount": "1000",
        "cadence": "monthly",
        "prices": [{"currency": "USD", "amount": "50"}],
    }
    db.buy_pack("acme", "pack", purchase_id="p")
    published(db, "plan", credits=credits)
    db.subscribe("acme", "plan", subscription_id="s", payment_method="test_pending")
    db.close_account("acme", remainder="pay_out", confirm=True)
    closing = db.account_closing("acme")
    assert closing.payouts == (usd(100),)
    assert sorted(each.payout.minor if each.payout else 0 for each in closing.lines) == [0, 10_000]


def test_credits_of_an_invoice_that_was_given_up_are_not_paid_out(db: EmbeddedDatabase) -> None:
    """Released before they were paid for, and nobody will pay."""
    credits = {
        "credit_type": "credits",
        "amount": "1000",
        "cadence": "monthly",
        "prices": [{"currency": "USD", "amount": "50"}],
    }
    published(db, "plan", credits=credits, release="immediate")
    db.subscribe("acme", "plan", subscription_id="s", payment_method="test_pending")
    db.close_invoice(newest(db, "acme").invoice_id, "uncollectible")
    db.close_account("acme", remainder="pay_out", confirm=True)
    assert db.account_closing("acme").payouts == ()


def dispute(db: EmbeddedDatabase, purchase_id: str) -> None:
    body, headers = db.payment_provider().dispute(f"purchase:{purchase_id}")
    db.provider_callback(body.decode(), headers)
    db.resume_account("acme")


def test_what_a_note_gave_goes_with_the_money_that_the_bank_takes(db: EmbeddedDatabase) -> None:
    """100 were charged and 40 noted; the bank takes all 100, so 40 are not the account's besides."""
    db.buy_pack("acme", "pack", purchase_id="p")
    note(db, newest(db, "acme"), 40)
    dispute(db, "p")
    assert (db.purchase("p").refunded, balance_of(db)) == (usd(60), usd(0))


def test_what_a_note_gave_and_was_spent_is_set_against_the_next(db: EmbeddedDatabase) -> None:
    """40 of a note paid for another pack before the bank took the 100: the next note gives 40 less."""
    db.buy_pack("acme", "pack", purchase_id="p")
    note(db, newest(db, "acme"), 40)
    assert db.buy_pack("acme", "pack", purchase_id="q").charged == usd(60)
    dispute(db, "p")
    note(db, db.invoice("inv.purchase:q"), 50, "second")
    assert balance_of(db) == usd(10)


def test_the_bank_takes_no_more_than_was_charged(db: EmbeddedDatabase) -> None:
    """40 of a pack came from the balance and 60 by card: those 60 go, the 40 are still the account's."""
    db.buy_pack("acme", "pack", purchase_id="p")
    note(db, newest(db, "acme"), 40)
    assert db.buy_pack("acme", "pack", purchase_id="q").charged == usd(60)
    note(db, db.invoice("inv.purchase:q"), 70, "second")
    dispute(db, "q")
    assert balance_of(db) == usd(40)


@pytest.mark.parametrize(("promotion", "until", "back"), [(100, START, 0), (40, START, 60), (40, MIDDLE, 50)])
def test_promotional_money_is_not_paid_out_by_a_cancellation(
    db: EmbeddedDatabase, promotion: int, until: datetime, back: int
) -> None:
    """The unused time of a fee of 100 goes back, as far as the customer paid the fee."""
    credit(db, "acme", "promotion", str(promotion))
    published(db, "plan", fee="100", proration="both")
    db.subscribe("acme", "plan", subscription_id="s")
    db.advance_clock("acme", until)
    db.cancel_subscription("s", when="now")
    assert balance_of(db) == usd(back)


def test_what_a_note_gave_back_is_not_given_back_again(db: EmbeddedDatabase) -> None:
    published(db, "plan", fee="50", proration="both")
    db.subscribe("acme", "plan", subscription_id="s")
    note(db, newest(db, "acme"), 30)
    db.cancel_subscription("s", when="now")
    assert balance_of(db) == usd(50)


@pytest.mark.parametrize("rhythm", ["same", "other"])
def test_promotional_money_is_not_paid_out_by_a_change(db: EmbeddedDatabase, rhythm: str) -> None:
    """A fee of 50 that promotional money paid is left for one of 10: 10 are due, nothing comes back."""
    settings: dict[str, Any] = {"proration": "both", "anchor": "subscription_start"}
    credit(db, "acme", "promotion", "50")
    published(db, "large", fee="50", **settings)
    yearly = {"billing_period": "yearly"} if rhythm == "other" else {}
    published(db, "small", fee="10", **{**settings, **yearly})
    db.subscribe("acme", "large", subscription_id="s")
    db.change_plan("s", "small", change_id="down")
    db.advance_clock("acme", FEBRUARY_END)
    assert [each.due for each in db.invoices("acme")] == [usd(0), usd(10)]
    assert balance_of(db) == usd(0)


@pytest.mark.parametrize("advance", ["paid", "asked"])
def test_nothing_is_given_back_for_usage_that_was_given_up(db: EmbeddedDatabase, advance: str) -> None:
    """Uncollectible with 30 of usage, of which 20 were wrong: put right afterwards, 30 were not paid."""
    published(db, "plan", **overage_plan("1", release="immediate"))
    db.subscribe("acme", "plan", subscription_id="s")
    db.record("acme", credit_type="credits", credits="110", event_id="right")
    db.record("acme", "calls", quantity=10, event_id="wrong")
    db.put_customer("c", payment_method="test_pending")
    db.advance_clock("acme", FEBRUARY_END + GRACE)
    unpaid = newest(db, "acme")
    assert lines(unpaid) == {"base_fee": "20.00", "overage": "30.00"}
    if advance == "paid":
        tell(db, f"advance:{unpaid.invoice_id}")
    db.close_invoice(unpaid.invoice_id, "uncollectible")
    db.correct("acme", "wrong", cancel=True, correction_id="put-right")
    db.advance_clock("acme", MARCH_END + GRACE)
    assert lines(newest(db, "acme")) == {"base_fee": "20.00"}
