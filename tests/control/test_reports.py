"""Reports add up: packs and recharges of a period, credits and their money of all time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import drawdown
import pytest
from drawdown.billing.report import CreditSums, shares_of
from drawdown.cli.main import app
from drawdown.client.interface import Database
from drawdown.engine import salvage_folder
from drawdown.errors import InvalidRequestError
from drawdown.model import Grant
from drawdown.model.instants import instant_from_us, us_from_instant
from drawdown.model.money import Money
from typer.testing import CliRunner

from .conftest import SMALL, START, prepare
from .plans import published
from .test_purchases import pack
from .waiting import wait_until

Name = Callable[[str], str]


@pytest.mark.behaviour("S2-6", "S2-16")
def test_packs_and_recharges_of_any_period(db: Database, account: str, name: Name) -> None:
    """By type, in number and money; what failed is no sale, and periods are half open."""
    small, large = pack(db, name("small")), pack(db, name("large"), amount="50", price="150")
    db.buy_pack(account, small, purchase_id=name("one"), quantity=2)
    db.buy_pack(account, small, purchase_id=name("no"), payment_method="test_decline")
    later = START + timedelta(days=10)
    db.advance_clock(account, later)
    db.buy_pack(account, large, purchase_id=name("two"))
    whole = db.report_sales(account=account)
    assert [
        (each.pack_id, each.packs, each.purchases, each.credits, each.revenue) for each in whole.packs
    ] == [
        (large, 1, 1, Decimal(50), Money(15_000, "USD")),
        (small, 2, 1, Decimal(40), Money(12_000, "USD")),
    ]
    assert whole.recharges == ()
    early = db.report_sales(account=account, since=START, until=later)
    late = db.report_sales(account=account, since=later)
    assert (early.packs, late.packs) == (whole.packs[1:], whole.packs[:1])
    with pytest.raises(InvalidRequestError):
        db.report_sales(since=later, until=START)

    db.set_recharge(account, "credits", threshold="5", pack_id=small)
    db.record(account, credit_type="credits", credits="86", event_id=name("use"))
    wait_until(lambda: db.report_sales(account=account, since=later).recharges)
    wait_until(lambda: db.balance(account, "credits").available == Decimal(24))
    (recharged,) = db.report_sales(account=account, since=later).recharges
    assert (recharged.recharges, recharged.failures, recharged.money) == (1, 0, Money(6_000, "USD"))
    db.put_customer(name("customer"), payment_method="test_decline")
    db.record(account, credit_type="credits", credits="20", event_id=name("more"))
    wait_until(lambda: db.report_sales(account=account).recharges[0].failures == 1)
    (recharged,) = db.report_sales(account=account).recharges
    assert (recharged.recharges, recharged.credits, recharged.money) == (1, 20, Money(6_000, "USD"))


def test_credits_and_their_money_add_up(db: Database, name: Name) -> None:
    """A third burned, the rest void or left: recognised, forfeited and deferred make up what was paid."""
    db.put_customer(name("buyer"), payment_method="test_ok")
    for number in (1, 2):
        assert db.create_account(f"{name('books')}-{number}", customer_id=name("buyer"))
    first, second = f"{name('books')}-1", f"{name('books')}-2"
    sold = pack(db, name("pack"), amount="30", price="100")
    db.buy_pack(first, sold, purchase_id=name("p1"))
    db.buy_pack(second, sold, purchase_id=name("p2"))
    db.record(first, credit_type="credits", credits="10", event_id=name("use"))
    db.void_grant(second, f"purchase:{name('p2')}", confirm=True)
    db.create_grant(first, "credits", "7", grant_id="gift", source="promotion", category="promotional")
    gift, paid = db.report_credits(account_prefix=f"{name('books')}-").rows
    assert (gift.source, gift.granted, gift.cost, gift.deferred) == ("promotion", Decimal(7), None, None)
    assert (paid.grants, paid.granted, paid.burned, paid.voided) == (2, Decimal(60), Decimal(10), Decimal(30))
    assert paid.outstanding == Decimal(20)
    assert (paid.cost, paid.forfeited) == (Money(20_000, "USD"), Money(10_000, "USD"))
    assert (paid.recognised, paid.deferred) == (Money(3_333, "USD"), Money(6_667, "USD"))


def test_credits_of_any_period_roll_forward(db: Database, name: Name) -> None:
    """Months of one account: what is outstanding at the end of one is the opening of the next, to the cent.

    A purchase in the first month, use in the second that is corrected in the third, an expiry in the third.
    """
    account = name("months")
    db.put_customer(name("buyer"), payment_method="test_ok")
    db.create_account(account, customer_id=name("buyer"), test_clock=START)
    sold = pack(db, name("pack"), amount="30", price="100", lifetime={"count": 60, "unit": "day"})
    db.buy_pack(account, sold, purchase_id=name("p"))
    edges = [START + timedelta(days=days) for days in (1, 31, 59, 62)]
    db.advance_clock(account, edges[0] + timedelta(days=2))
    db.record(account, credit_type="credits", credits="10", event_id=name("use"))
    # What is received in the instant at which a period ends is of the next one.
    db.advance_clock(account, edges[1])
    db.correct(account, name("use"), credits="7")
    db.advance_clock(account, edges[-1] - timedelta(days=1))
    db.advance_clock(account, edges[-1])

    def report(since: datetime | None, until: datetime | None) -> CreditSums:
        found = db.report_credits(since=since, until=until, account_prefix=account)
        (row,) = [each for each in found.rows if each.cost is not None]
        return row

    months = [report(since, until) for since, until in zip([None, *edges], [*edges, None], strict=True)]
    assert [each.granted for each in months] == [Decimal(30), 0, 0, 0, 0]
    assert [each.grants for each in months] == [1, 0, 0, 0, 0]
    assert [each.burned for each in months] == [0, Decimal(10), Decimal(-3), 0, 0]
    assert [each.expired for each in months] == [0, 0, 0, Decimal(23), 0]
    assert [each.outstanding for each in months] == [30, 20, 23, 0, 0]
    assert [each.recognised for each in months] == [Money(each, "USD") for each in (0, 3333, -1000, 0, 0)]
    assert [each.breakage for each in months] == [Money(each, "USD") for each in (0, 0, 0, 7667, 0)]
    for before, after in pairwise(months):
        assert after.opening == before.outstanding
        assert after.opening_deferred == before.deferred
    for each in months:
        assert_rolls_forward(each)
    whole = report(None, None)
    assert (whole.granted, whole.burned, whole.expired, whole.outstanding) == (30, 7, 23, 0)
    assert report(edges[0], edges[1]) == months[1], "the past stays as it was reported"
    before = db.report_credits(until=START - timedelta(days=1), account_prefix=account)
    assert before.rows == ()
    # What is still to come has not happened.
    assert report(edges[0], edges[-1] + timedelta(days=9_000)).outstanding == 0
    with pytest.raises(InvalidRequestError, match="until"):
        db.report_credits(since=edges[1], until=edges[0])


def assert_rolls_forward(row: CreditSums) -> None:
    ended = row.burned + row.expired + row.voided + row.moved
    assert row.opening + row.granted - ended == row.outstanding
    assert row.cost is not None and row.opening_deferred is not None
    money = row.opening_deferred + row.cost
    for share in (row.recognised, row.breakage, row.forfeited, row.carried):
        assert share is not None
        money -= share
    assert money == row.deferred


def test_revenue_and_what_was_given_back_of_it_are_without_tax(tmp_path: Path) -> None:
    """Half of a pack of 40 EUR unspent: 23.80 goes back to the card, 20.00 of the revenue."""
    with drawdown.open(tmp_path / "data", **SMALL, tax_rates="DE 19 VAT") as db:
        prepare(db)
        db.put_customer("c", currency="EUR", country="DE", payment_method="test_ok")
        db.create_account("acme", customer_id="c")
        db.create_pack("p", name="P", amount="10", prices=[{"currency": "EUR", "amount": "40"}])
        db.buy_pack("acme", "p", purchase_id="one")
        db.record("acme", credit_type="credits", credits="5", event_id="half")
        assert db.refund_purchase("one").refunded == Money(2_380, "EUR")
        (row,) = db.report_sales().packs
        assert (row.revenue, row.refunded) == (Money(4_000, "EUR"), Money(2_000, "EUR"))


def test_what_the_balance_paid_is_given_back_of_the_revenue_once(
    db: Database, account: str, name: Name
) -> None:
    """40 of 100 come from a note on another: they go back with that note. Both refunds are whole."""
    hundred = pack(db, name("pack"), amount="100", price="100")
    db.buy_pack(account, hundred, purchase_id=name("noted"))
    (invoice,) = db.invoices(account)
    line = invoice.lines[0].line_id
    db.create_credit_note(name("note"), invoice.invoice_id, line, amount=Money(4_000, "USD"))
    assert db.buy_pack(account, hundred, purchase_id=name("partly")).charged == Money(6_000, "USD")
    assert db.refund_purchase(name("partly")).refunded == Money(10_000, "USD")
    # 40 are back on the balance, and 60 on the card.
    db.create_pack(name("forty"), name="F", amount="1", prices=[{"currency": "USD", "amount": "40"}])
    assert db.buy_pack(account, name("forty"), purchase_id=name("wholly")).charged == Money(0, "USD")
    assert db.refund_purchase(name("wholly")).refunded == Money(4_000, "USD")
    rows = {each.pack_id: (each.revenue, each.refunded) for each in db.report_sales(account=account).packs}
    assert rows == {
        hundred: (Money(20_000, "USD"), Money(14_000, "USD")),
        name("forty"): (Money(4_000, "USD"), Money(4_000, "USD")),
    }


@pytest.mark.parametrize("bill_later", [False, True])
def test_what_a_credit_note_gave_back_is_given_back_of_the_revenue(
    db: Database, account: str, name: Name, bill_later: bool
) -> None:
    """A note over 40.00 of a pack for 100.00; then a refund of what is left of one with its own invoice."""
    published(db, name("plan"), type="free", base_fee=[], credits=None)
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    hundred = pack(db, name("pack"), amount="100", price="100")
    db.buy_pack(account, hundred, purchase_id=name("p"), bill_later=bill_later)
    db.advance_clock(account, START + timedelta(days=40))
    (invoice,) = [each for each in db.invoices(account) if each.lines]
    db.create_credit_note(
        name("note"), invoice.invoice_id, invoice.lines[0].line_id, amount=Money(4_000, "USD")
    )

    def given_back() -> list[tuple[Money, Money]]:
        return [(each.revenue, each.refunded) for each in db.report_sales(account=account).packs]

    assert given_back() == [(Money(10_000, "USD"), Money(4_000, "USD"))]
    db.refund_purchase(name("p"))
    assert given_back() == [(Money(10_000, "USD"), Money(4_000 if bill_later else 10_000, "USD"))]


def test_a_cost_is_shared_out_to_the_last_cent() -> None:
    """However it is cut, the shares make up the cost, and nothing is deferred where nothing is left."""
    for cost in (1, 2, 99, 100, 10**15 + 1):
        for burned, expired, voided in ((1, 1, 1), (3, 0, 0), (0, 2, 0), (1, 0, 1)):
            left = 3 - burned - expired - voided
            grant = Grant(
                account="a",
                grant_id="g",
                credit_type="c",
                scale=0,
                amount=Decimal(3),
                remaining=Decimal(left),
                state="active",
                burned=Decimal(burned),
                expired=Decimal(expired),
                voided=Decimal(voided),
                cost_minor=cost,
                cost_currency="USD",
            )
            shares = shares_of(grant)
            assert sum(shares) == cost
            assert all(share >= 0 for share in shares)
            assert left or shares[-1] == 0


def test_the_command_line_prints_them(tmp_path: Path) -> None:
    folder = str(tmp_path / "data")
    with drawdown.open(folder, **SMALL) as db:
        prepare(db)
        db.put_customer("acme", payment_method="test_ok")
        db.create_account("acme", customer_id="acme")
        db.buy_pack("acme", pack(db, "pack"), purchase_id="p")
    runner = CliRunner()
    printed = runner.invoke(app, ["report", "packs", "--data", folder, "--csv"])
    (row,) = csv.DictReader(io.StringIO(printed.stdout))
    assert (row["pack_id"], row["packs"]) == ("pack", "1"), printed.output
    found = json.loads(runner.invoke(app, ["report", "credits", "--data", folder, "--json"]).stdout)
    assert [each["granted"] for each in found["rows"]] == ["20"]
    assert "pack" in runner.invoke(app, ["report", "packs", "--data", folder]).stdout


def test_a_report_of_the_past_has_accounts_that_a_salvaged_journal_says_nothing_of(tmp_path: Path) -> None:
    """They were taken for made later, so that what they hold was missing without a word."""
    with drawdown.open(tmp_path / "data", **SMALL) as database:
        prepare(database)
        for account in ("idle", "busy"):
            database.create_account(account)
            database.create_grant(account, "credits", "100", grant_id="g")
    salvage_folder(str(tmp_path / "data"), str(tmp_path / "salvaged"))
    with drawdown.open(tmp_path / "salvaged", **SMALL) as database:
        database.create_account("new")
        until = instant_from_us(database.engine.now_us() + 1)
        wait_until(lambda: database.engine.now_us() > us_from_instant(until))
        assert database.report_credits(until=until).rows == database.report_credits().rows
        (row,) = database.report_credits(until=until).rows
        assert (row.grants, row.outstanding) == (2, Decimal(200))
        assert database.balance("idle", "credits", at=until).available == Decimal(100)
