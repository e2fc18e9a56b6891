"""A refund takes what is unspent of a purchase wherever it stands now, and gives its share of the money."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import drawdown
import pytest
from drawdown.client.interface import Database
from drawdown.embedded import EmbeddedDatabase
from drawdown.model.money import Money, money_from
from drawdown.payments import ScriptedProvider
from drawdown.payments.stripe_provider import StripeProvider

from tests.payments.stripe_stub import StripeStub

from .conftest import SMALL, START, prepare
from .plans import published
from .test_purchases import pack
from .waiting import wait_until

Name = Callable[[str], str]


def usd(amount: str | int) -> Money:
    return money_from(amount, "USD")


def hundred(db: Database, account: str, name: Name, **settings: object) -> str:
    """A purchase of 100 credits for 100 dollars."""
    sold = pack(db, name("pack"), amount="100", price="100")
    db.buy_pack(account, sold, purchase_id=name("p"), **settings)
    return name("p")


def available(db: Database, account: str) -> Decimal:
    return db.balance(account, "credits").available


def use(db: Database, account: str, credits: str) -> None:
    used = db.record(account, credit_type="credits", credits=credits, event_id=f"use-{credits}")
    assert used.status == "OK"


def moved(db: Database, account: str, name: Name, credits: str) -> None:
    """So many credits go to another account of the customer."""
    db.create_account(name("other"), customer_id=name("customer"), test_clock=START)
    db.transfer(
        name("t"), from_account=account, to_account=name("other"), credit_type="credits", credits=credits
    )


def noted(db: Database, purchase: str, amount: str, grant_id: str = "") -> None:
    """A credit note over so many dollars, for the credits of a grant."""
    line = f"purchase:{purchase}"
    db.create_credit_note(
        f"note-{purchase}-{amount}", f"inv.purchase:{purchase}", line, amount=usd(amount), grant_id=grant_id
    )


def test_what_a_transfer_left_is_taken_and_paid_for(db: Database, account: str, name: Name) -> None:
    """One credit of a hundred is with another account: ninety-nine go, and their dollars come."""
    purchase = hundred(db, account, name)
    moved(db, account, name, "1")
    for _ in range(2):
        assert db.refund_purchase(purchase).refunded == usd(99)
    assert (available(db, account), available(db, name("other"))) == (Decimal(0), Decimal(1))
    assert db.verify(account)


@pytest.mark.behaviour("S4-26")
def test_what_a_note_left_is_taken_and_paid_for(db: Database, account: str, name: Name) -> None:
    """40 % came back before, credits and money: the other sixty of both follow."""
    purchase = hundred(db, account, name)
    noted(db, purchase, "40", f"purchase:{purchase}")
    assert available(db, account) == Decimal(60)
    assert db.refund_purchase(purchase).refunded == usd(60)
    assert available(db, account) == Decimal(0)


def test_a_note_over_spent_credits_and_a_transfer_share_out_the_rest(
    db: Database, account: str, name: Name
) -> None:
    """50 spent, 40 withdrawn with their money, 4 moved away: 6 are left, a tenth of the 60 that stand."""
    purchase = hundred(db, account, name)
    use(db, account, "50")
    noted(db, purchase, "40", f"purchase:{purchase}")
    moved(db, account, name, "4")
    assert available(db, account) == Decimal(6)
    assert db.refund_purchase(purchase).refunded == usd(6)
    assert available(db, account) == Decimal(0)


def test_nothing_is_paid_for_what_a_note_withdrew(db: Database, account: str, name: Name) -> None:
    """80 spent: the note withdraws all twenty that were left, and a refund finds nothing to take."""
    purchase = hundred(db, account, name)
    use(db, account, "80")
    noted(db, purchase, "40", f"purchase:{purchase}")
    assert available(db, account) == Decimal(0)
    assert db.refund_purchase(purchase).refunded == usd(0)


def test_a_refund_into_debt_takes_no_credits_twice(db: Database, account: str, name: Name) -> None:
    """What a note withdrew is gone already: sixty are owed for sixty dollars."""
    purchase = hundred(db, account, name)
    use(db, account, "10")
    noted(db, purchase, "40", f"purchase:{purchase}")
    assert db.refund_purchase(purchase, policy="into_debt").refunded == usd(60)
    assert available(db, account) == Decimal(-10)


@pytest.mark.parametrize("taken", [["refund:{}"], ["refund:{}", "refund:{}:2"]])
def test_a_refund_into_debt_takes_its_credits_where_a_caller_has_used_its_event_id(
    db: Database, account: str, name: Name, taken: list[str]
) -> None:
    """Other content under the id is another event: a hundred are owed besides, once."""
    purchase = hundred(db, account, name)
    for each in taken:
        event_id = each.format(purchase)
        assert db.record(account, credit_type="credits", credits="1", event_id=event_id).status == "OK"
    for _ in range(2):
        assert db.refund_purchase(purchase, policy="into_debt").refunded == usd(100)
    assert available(db, account) == -len(taken)


def test_a_refund_tells_what_it_took_where_the_engine_refuses_the_debt(
    db: Database, account: str, name: Name
) -> None:
    """Sixty-four bits of debt, but for a few credits."""
    purchase = hundred(db, account, name)
    for credits in ("9223372036", "50"):
        db.record(account, credit_type="credits", credits=credits, event_id=f"use-{credits}", force=True)
    before = available(db, account)
    refunded = db.refund_purchase(purchase, policy="into_debt")
    assert (refunded.state, refunded.refunded, available(db, account)) == ("refunded", usd(100), before)
    (told,) = db.notices(account, kinds=["purchase.refunded"]).notices
    assert told.data["credits_taken"] == "0"


@pytest.mark.parametrize("later", [timedelta(0), timedelta(minutes=30), timedelta(days=2)])
def test_nothing_is_paid_for_what_has_expired(
    db: Database, account: str, name: Name, later: timedelta
) -> None:
    """At its end, while late usage may draw on it still, and when it is booked as breakage."""
    sold = pack(db, name("pack"), amount="100", price="100", lifetime={"count": 1, "unit": "month"})
    db.buy_pack(account, sold, purchase_id=name("p"))
    (bought,) = db.grants(account)
    assert bought.expires_at is not None
    db.advance_clock(account, bought.expires_at + later)
    refunded = db.refund_purchase(name("p"))
    assert (refunded.state, refunded.refunded) == ("refunded", usd(0))
    (grant,) = db.grants(account)
    assert (grant.state, grant.voided) == ("expired", 0)


def test_a_grant_that_only_names_the_purchase_stays(db: Database, account: str, name: Name) -> None:
    purchase = hundred(db, account, name)
    its = {"source": "purchase", "source_reference": purchase}
    db.create_grant(account, "credits", "7", grant_id="bonus", **its)
    moved(db, account, name, "1")
    assert db.refund_purchase(purchase).refunded == usd(99)
    assert available(db, account) == Decimal(7)


def test_a_chargeback_takes_what_a_transfer_left(tmp_path: Path) -> None:
    with drawdown.open(tmp_path / "data", chargeback_policy="take_unspent", **SMALL) as db:
        assert isinstance(db, EmbeddedDatabase)
        prepare(db)
        db.put_customer("customer", payment_method="test_ok")
        db.create_account("acme", customer_id="customer", test_clock=START)
        purchase = hundred(db, "acme", lambda stem: stem)
        moved(db, "acme", lambda stem: stem, "1")
        provider = db.payment_provider()
        assert isinstance(provider, ScriptedProvider)
        body, headers = provider.dispute(f"purchase:{purchase}")
        db.provider_callback(body.decode(), headers)
        assert (db.purchase(purchase).state, available(db, "acme")) == ("refunded", Decimal(0))


def test_a_refund_that_is_repeated_measures_what_it_took_at_first(tmp_path: Path) -> None:
    """The credits are void when the provider does not answer; the next attempt gives the same money."""
    with StripeStub() as stub, drawdown.open(tmp_path / "data", **SMALL) as db:
        assert isinstance(db, EmbeddedDatabase)
        prepare(db)
        db._control_plane().provider = StripeProvider("sk_test", api_base=stub.url)
        db.put_customer("customer", payment_method="pm_card", provider_id="cus_1")
        db.create_account("acme", customer_id="customer", test_clock=START)
        purchase = hundred(db, "acme", lambda stem: stem)
        noted(db, purchase, "40", f"purchase:{purchase}")
        stub.fail_next = [500] * 3
        assert db.refund_purchase(purchase).state == "granted"
        assert available(db, "acme") == Decimal(0)
        wait_until(lambda: db.purchase(purchase).state == "refunded", 20)
        assert db.purchase(purchase).refunded == usd(60)
        assert [each["refunded"] for each in stub.intents.values()] == [6_000]


@pytest.mark.parametrize(
    ("used", "asked", "given", "billed"),
    [
        ("60", None, "40", ["60"]),
        ("60", usd(10), "10", ["90"]),
        (None, None, "100", []),
        (None, usd(0), "0", ["100"]),
    ],
)
def test_of_a_pack_billed_later_what_is_not_given_back_is_billed(
    db: Database,
    account: str,
    name: Name,
    used: str | None,
    asked: Money | None,
    given: str,
    billed: list[str],
) -> None:
    """Refunded before it stood on an invoice: what was spent of it comes there nevertheless, once."""
    published(db, name("plan"), type="free", base_fee=[], credits=None)
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    purchase = hundred(db, account, name, bill_later=True)
    if used is not None:
        use(db, account, used)
    refunded = db.refund_purchase(purchase, amount=asked)
    assert (refunded.state, refunded.refunded) == ("refunded", usd(given))
    db.advance_clock(account, START + timedelta(days=70))
    lines = [line for each in db.invoices(account) for line in each.lines]
    assert [(line.line_id, line.amount) for line in lines] == [
        (f"purchase:{purchase}", usd(each)) for each in billed
    ]
    (sold,) = [each for each in db.report_sales().packs if each.pack_id == name("pack")]
    assert (sold.revenue, sold.refunded) == (usd(100), usd(given))


def test_a_pack_that_is_billed_already_is_not_billed_again(db: Database, account: str, name: Name) -> None:
    published(db, name("plan"), type="free", base_fee=[], credits=None)
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    purchase = hundred(db, account, name, bill_later=True)
    use(db, account, "60")
    db.advance_clock(account, START + timedelta(days=40))
    assert db.refund_purchase(purchase).refunded == usd(0)
    db.advance_clock(account, START + timedelta(days=100))
    lines = [line for each in db.invoices(account) for line in each.lines]
    assert [line.amount for line in lines] == [usd(100)]
