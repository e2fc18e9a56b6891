"""Every purchase that is paid at once has an invoice of its own, as exactly once as the purchase."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import drawdown
import msgspec
import pytest
from drawdown.billing.invoice import Invoice
from drawdown.client.interface import Database
from drawdown.embedded import EmbeddedDatabase
from drawdown.errors import InvalidRequestError, PreconditionError
from drawdown.model.money import Money, money_from, total
from drawdown.payments import ChargeState, ScriptedProvider

from .conftest import SMALL, START, prepare
from .plans import published
from .test_purchases import pack
from .waiting import wait_until

Name = Callable[[str], str]
TAXED: dict[str, Any] = {**SMALL, "tax_rates": "DE 19 VAT"}


def usd(amount: str | int) -> Money:
    return money_from(amount, "USD")


def told(db: Database, account: str) -> list[str]:
    """Kinds of notices about money, in their order."""
    rooms = ("purchase", "payment", "invoice", "recharge")
    return [each.kind for each in db.notices(account).notices if each.kind.partition(".")[0] in rooms]


def provider_of(db: Database) -> ScriptedProvider:
    assert isinstance(db, EmbeddedDatabase)
    provider = db.payment_provider()
    assert isinstance(provider, ScriptedProvider)
    return provider


def buyer(db: Database, account: str = "acme", **customer: Any) -> str:
    """An account on a clock of its own; its customer is German and has a card."""
    db.put_customer(f"c-{account}", **{"payment_method": "test_ok", "country": "DE", **customer})
    db.create_account(account, customer_id=f"c-{account}", test_clock=START)
    return account


@contextmanager
def shop(
    folder: Path, db_url: str, settings: dict[str, Any] = SMALL, *, price: str = "60", **customer: Any
) -> Iterator[tuple[Database, str]]:
    """A database of its own, a 20-pack that is for sale in it, and ``acme``, who may buy it."""
    with drawdown.open(folder / "data", db=db_url, **settings) as db:
        prepare(db)
        sold = pack(db, "pack", price=price)
        buyer(db, **customer)
        yield db, sold


@pytest.mark.behaviour("S2-9", "S3-11")
def test_a_purchase_has_one_invoice_of_its_own(db: Database, account: str, name: Name) -> None:
    """Two 20-packs for 120: one line, numbered, paid, and each knows the other; once, however often."""
    sold = pack(db, name("pack"))
    for _ in range(2):
        bought = db.buy_pack(account, sold, purchase_id=name("p"), quantity=2)
    (invoice,) = db.invoices(account)
    assert (invoice.state, invoice.due, invoice.paid) == ("paid", usd(120), usd(120))
    assert (invoice.purchase_id, bought.invoice_id) == (name("p"), invoice.invoice_id)
    assert (bought.charged, invoice.number[:2], invoice.period) == (usd(120), "T-", None)
    assert [(line.kind, line.description, line.quantity, line.amount) for line in invoice.lines] == [
        ("pack", "20 credits, 40 credits", Decimal(2), usd(120))
    ]
    assert told(db, account) == [
        "invoice.finalized",
        "purchase.created",
        "payment.succeeded",
        "invoice.paid",
        "purchase.granted",
    ]
    page = db.render_invoice(invoice.invoice_id).decode()
    assert invoice.number in page and "20 credits, 40 credits" in page


def test_a_top_up_has_its_invoice_too(db: Database, account: str, name: Name) -> None:
    prices = [{"currency": "USD", "model": "per_unit", "amount": "0.05"}]
    plan = published(db, name("plan"), top_up={"prices": prices})
    db.subscribe(account, plan.plan_id, subscription_id=name("sub"))
    bought = db.top_up(account, "credits", "123.5", purchase_id=name("p"))
    of_plan, own = db.invoices(account)
    assert (of_plan.purchase_id, own.purchase_id, own.due) == ("", name("p"), usd("6.18"))
    assert [(line.kind, line.description) for line in own.lines] == [("top_up", "123.5 credits")]
    assert db.invoice(bought.invoice_id) == own


@pytest.mark.behaviour("S2-12", "S2-14")
def test_each_recharge_has_its_invoice(db: Database, account: str, name: Name) -> None:
    db.set_recharge(account, "credits", threshold="5", pack_id=pack(db, name("pack")))
    for count, used in ((1, "15"), (2, "20")):
        wait_until(lambda wanted=count: [each.state for each in db.invoices(account)] == ["paid"] * wanted)
        wait_until(lambda: db.recharge(account, "credits").standing.state == "idle")
        db.record(account, credit_type="credits", credits=used, event_id=f"use-{count}")
    wait_until(lambda: len(db.purchases(account)) == 3)
    wait_until(lambda: all(each.state == "granted" for each in db.purchases(account)))
    invoices = {each.purchase_id: each.due for each in db.invoices(account)}
    assert invoices == {each.purchase_id: usd(60) for each in db.purchases(account)}


@pytest.mark.behaviour("S2-13", "S3-23")
def test_a_failed_payment_leaves_a_void_invoice_and_no_gap(tmp_path: Path, db_url: str) -> None:
    """What it took of credits and balance is given back; the next number follows."""
    with shop(tmp_path, db_url) as (db, sold):
        db.create_invoice_credit("acme", "gift", amount="5", currency="USD", name="Gift")
        db.buy_pack("acme", sold, purchase_id="no", payment_method="test_decline")
        (invoice,) = db.invoices("acme")
        assert (invoice.state, invoice.due, invoice.paid) == ("void", usd(55), None)
        assert db.invoice_credits("acme")[0].remaining == usd(5)
        assert told(db, "acme")[-3:] == ["payment.failed", "purchase.failed", "invoice.voided"]
        assert b"Void invoice" in db.render_invoice(invoice.invoice_id)
        db.buy_pack("acme", sold, purchase_id="yes")
        assert [(each.number, each.state) for each in db.invoices("acme")] == [
            ("T-00000001", "void"),
            ("T-00000002", "paid"),
        ]
        assert [str(each.amount) for each in provider_of(db).charges()] == ["55.00 USD"] * 2


@pytest.mark.behaviour("S1-1", "S1-2", "S1-5", "S1-6")
def test_what_is_charged_is_what_is_due(tmp_path: Path, db_url: str) -> None:
    """60, of which 10 by a credit for add-ons, and 19 % of the rest: 59.50. One for fees does not count, nor
    one that has expired in this instant. The credits cost 50."""
    with shop(tmp_path, db_url, TAXED) as (db, sold):
        for credit_id, scope, more in (
            ("add-ons", ["add_ons"], {}),
            ("fees", ["fixed_fees"], {}),
            ("late", [], {"expires_at": START}),
        ):
            settings: dict[str, Any] = {"amount": "10", "currency": "USD", "name": credit_id, **more}
            db.create_invoice_credit("acme", credit_id, scope={"classes": scope}, **settings)
        bought = db.buy_pack("acme", sold, purchase_id="p")
        assert (bought.price, bought.charged) == (usd(60), usd("59.50"))
        (invoice,) = db.invoices("acme")
        assert invoice.totals is not None
        assert (invoice.totals.gross, invoice.totals.credited) == (usd(60), usd(10))
        assert (invoice.totals.tax, invoice.totals.due) == (usd("9.50"), usd("59.50"))
        assert [each.credit_id for each in invoice.applications] == ["add-ons"]
        (charge,) = provider_of(db).charges()
        assert charge.amount == usd("59.50")
        assert [each.cost_minor for each in db.grants("acme")] == [5_000]


def test_two_purchases_do_not_use_the_same_credit(tmp_path: Path, db_url: str) -> None:
    """The first waits for its payment and has taken it already."""
    with shop(tmp_path, db_url) as (db, sold):
        db.create_invoice_credit("acme", "gift", amount="50", currency="USD", name="Gift")
        dues = [
            db.buy_pack("acme", sold, purchase_id=purchase_id, payment_method=method).charged
            for purchase_id, method in (("a", "test_pending"), ("b", "test_ok"))
        ]
        assert dues == [usd(10), usd(60)]


@pytest.mark.behaviour("S2-24")
def test_a_zero_invoice_is_issued_and_nobody_is_asked(tmp_path: Path, db_url: str) -> None:
    """Free, or paid for by an invoice credit: no card is needed, and no payment is told."""
    with shop(tmp_path, db_url, payment_method="") as (db, sold):
        db.create_pack("free", name="Free", amount="5")
        with pytest.raises(PreconditionError) as raised:
            db.buy_pack("acme", sold, purchase_id="p")
        assert raised.value.reason == "PAYMENT_METHOD_REQUIRED"
        assert (db.purchases("acme"), db.invoices("acme")) == ((), ())
        db.create_invoice_credit("acme", "gift", amount="60", currency="USD", name="Gift")
        assert db.buy_pack("acme", "free", purchase_id="f").state == "granted"
        assert db.buy_pack("acme", sold, purchase_id="p").state == "granted"
        assert [(each.state, each.due) for each in db.invoices("acme")] == [("paid", usd(0))] * 2
        assert (provider_of(db).charges(), "payment.succeeded" in told(db, "acme")) == ([], False)
        assert db.balance("acme", "credits").available == Decimal(25)


@pytest.mark.behaviour("S3-13")
def test_an_invoice_is_open_until_its_payment_says(tmp_path: Path, db_url: str) -> None:
    """Callbacks late, twice and out of order; nobody else settles or closes it."""
    with shop(tmp_path, db_url, payment_method="test_action") as (db, sold):
        waiting = db.buy_pack("acme", sold, purchase_id="p")
        assert waiting.state == "action_required"
        assert [each.state for each in db.invoices("acme")] == ["finalized"]
        for call in (
            lambda: db.mark_invoice_paid(waiting.invoice_id),
            lambda: db.close_invoice(waiting.invoice_id, "void"),
        ):
            with pytest.raises(PreconditionError) as raised:
                call()
            assert raised.value.reason == "INVOICE_OF_PURCHASE"
        provider = provider_of(db)
        body, headers = provider.finish("purchase:p")
        for _ in range(2):
            answer = db.provider_callback(body.decode(), headers)
            assert (answer.purchase_id, answer.invoice_id) == ("p", waiting.invoice_id)
        late = provider.finish("purchase:p", ChargeState.FAILED)
        db.provider_callback(late[0].decode(), late[1])
        assert [each.state for each in db.invoices("acme")] == ["paid"]
        assert told(db, "acme").count("invoice.paid") == 1
        db.buy_pack("acme", sold, purchase_id="q")
        gone = provider.finish("purchase:q", ChargeState.FAILED, "expired")
        for _ in range(2):
            db.provider_callback(gone[0].decode(), gone[1])
        assert [each.state for each in db.invoices("acme")] == ["paid", "void"]
        assert told(db, "acme").count("invoice.voided") == 1


def test_the_operators_word_settles_the_invoice(tmp_path: Path, db_url: str) -> None:
    with shop(tmp_path, db_url, {**SMALL, "payments": "manual"}) as (db, sold):
        for purchase_id, failed, state in (("p", False, "paid"), ("q", True, "void")):
            bought = db.buy_pack("acme", sold, purchase_id=purchase_id)
            assert db.invoice(bought.invoice_id).state == "finalized"
            db.mark_purchase_paid(purchase_id, failed=failed)
            assert db.invoice(bought.invoice_id).state == state


def left_over(db: Database, invoice: Invoice) -> tuple[Money, Money]:
    """Of an invoice with its notes: the sum, and the tax in it."""
    concerned = [each for each in db.invoices(invoice.account) if each.corrects == invoice.invoice_id]
    totals = [each.totals for each in (invoice, *concerned) if each.totals is not None]
    return total([each.total for each in totals], "USD"), total([each.tax for each in totals], "USD")


def test_a_refund_is_a_credit_note_to_the_unit(tmp_path: Path, db_url: str) -> None:
    """15 of 20 unspent: three quarters of 71.40, tax in it; all of it leaves nothing of either."""
    with shop(tmp_path, db_url, TAXED) as (db, sold):
        bought = db.buy_pack("acme", sold, purchase_id="p")
        db.record("acme", credit_type="credits", credits="5", event_id="e")
        for _ in range(2):
            assert db.refund_purchase("p").refunded == usd("53.55")
        invoice, note = db.invoices("acme")
        assert (invoice.state, note.corrects, note.number) == ("paid", bought.invoice_id, "TC-00000001")
        assert note.totals is not None
        assert (note.totals.total, note.totals.tax) == (usd("-53.55"), usd("-8.55"))
        assert left_over(db, invoice) == (usd("17.85"), usd("2.85"))
        assert provider_of(db).charges()[0].refunded == usd("53.55")
        assert b"Credit note" in db.render_invoice(note.invoice_id)
        again = db.buy_pack("acme", sold, purchase_id="q")
        db.refund_purchase("q")
        assert left_over(db, db.invoice(again.invoice_id)) == (usd(0), usd(0))


@pytest.mark.parametrize("minor", [1, 2, 3, 7, 50, 99, 333, 1190])
def test_a_part_given_back_and_the_rest_noted_by_hand_make_the_whole(
    tmp_path: Path, db_url: str, minor: int
) -> None:
    """Whatever the parts: what is left never differs from nothing by a cent, nor does the tax."""
    with shop(tmp_path, db_url, TAXED, price="9.99") as (db, sold):
        bought = db.buy_pack("acme", sold, purchase_id="p")
        invoice = db.invoice(bought.invoice_id)
        given = min(minor, 1_189)
        db.refund_purchase("p", policy="into_debt", amount=Money(given, "USD"))
        note = db.invoices("acme")[-1]
        assert note.totals is not None
        exact = Fraction(190 * given, 1_189)
        assert abs(-note.totals.tax.minor - exact) <= 1
        left, _ = left_over(db, invoice)
        assert left == Money(1_189 - given, "USD")
        net_left = 999 + note.totals.subtotal.minor
        if net_left > 0:
            db.create_credit_note("rest", invoice.invoice_id, "purchase:p", amount=Money(net_left, "USD"))
        assert left_over(db, invoice) == (usd(0), usd(0))


@pytest.mark.behaviour("S4-26")
def test_what_a_note_took_back_is_not_given_back_again(tmp_path: Path, db_url: str) -> None:
    with shop(tmp_path, db_url) as (db, sold):
        bought = db.buy_pack("acme", sold, purchase_id="p")
        db.create_credit_note("note", bought.invoice_id, "purchase:p", amount=usd(20))
        with pytest.raises(InvalidRequestError) as raised:
            db.refund_purchase("p", amount=usd("40.01"))
        assert raised.value.field == "amount"
        assert db.refund_purchase("p").refunded == usd(40)
        assert left_over(db, db.invoice(bought.invoice_id)) == (usd(0), usd(0))


def test_what_the_balance_paid_goes_back_to_the_balance(tmp_path: Path, db_url: str) -> None:
    """20 of 60 came from a credit note's balance: 40 go back by the provider, 20 pay for the next pack."""
    with shop(tmp_path, db_url) as (db, sold):
        first = db.buy_pack("acme", sold, purchase_id="a")
        db.create_credit_note("note", first.invoice_id, "purchase:a", amount=usd(20))
        assert db.buy_pack("acme", sold, purchase_id="b").charged == usd(40)
        assert db.refund_purchase("b").refunded == usd(60)
        assert provider_of(db).charges()[1].refunded == usd(40)
        assert db.buy_pack("acme", sold, purchase_id="c").charged == usd(40)


def test_a_chargeback_is_noted_on_the_invoice(tmp_path: Path, db_url: str) -> None:
    with shop(tmp_path, db_url) as (db, sold):
        db.buy_pack("acme", sold, purchase_id="p")
        for _ in range(2):
            body, headers = provider_of(db).dispute("purchase:p")
            db.provider_callback(body.decode(), headers)
        invoice, note = db.invoices("acme")
        assert (note.corrects, note.note) == (invoice.invoice_id, "Chargeback")
        assert left_over(db, invoice) == (usd(0), usd(0))


def test_a_pack_billed_later_knows_the_invoice_with_its_line(db: Database, account: str, name: Name) -> None:
    published(db, name("plan"), type="free", base_fee=[], credits=None)
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.buy_pack(account, pack(db, name("pack")), purchase_id=name("p"), bill_later=True)
    assert (db.purchase(name("p")).invoice_id, db.purchase(name("p")).charged) == ("", None)
    db.advance_clock(account, START.replace(month=2, day=28))
    billed = db.invoice(db.purchase(name("p")).invoice_id)
    assert [line.line_id for line in billed.lines] == [f"purchase:{name('p')}"]


def test_a_note_takes_no_invoices_id(db: Database, account: str, name: Name) -> None:
    """It would stand in the invoice's place."""
    bought = db.buy_pack(account, pack(db, name("pack")), purchase_id=name("p"))
    for note_id in (bought.invoice_id, "inv:acme", f"inv.refund:{name('p')}"):
        with pytest.raises(InvalidRequestError) as raised:
            db.create_credit_note(note_id, bought.invoice_id, f"purchase:{name('p')}", amount=usd(1))
        assert raised.value.field == "note_id"


def test_a_purchase_begun_before_there_were_invoices_is_asked_for_its_price(
    tmp_path: Path, db_url: str
) -> None:
    """As a folder of an earlier version has it: on its way, no invoice. Paid, granted, refunded."""
    with shop(tmp_path, db_url, TAXED, payment_method="test_pending") as (db, sold):
        begun = db.buy_pack("acme", sold, purchase_id="p")
        assert isinstance(db, EmbeddedDatabase)
        with db._control_plane().sql.transaction() as work:
            work.invoices.delete(invoice_id=begun.invoice_id)
            work.purchases.put(msgspec.structs.replace(work.purchase("p"), invoice_id="", charged=None))
        body, headers = provider_of(db).finish("purchase:p")
        assert db.provider_callback(body.decode(), headers).state == "granted"
        assert (db.invoices("acme"), db.grants("acme")[0].cost_minor) == ((), 6_000)
        assert db.refund_purchase("p").refunded == usd(60)
        assert db.invoices("acme") == ()
