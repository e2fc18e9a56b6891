"""Never money without credits: what the engine would refuse is refused before anybody pays for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import drawdown
import pytest
from drawdown.client.interface import Database
from drawdown.embedded import EmbeddedDatabase
from drawdown.errors import AlreadyExistsError, InvalidRequestError, PreconditionError
from drawdown.model.money import Money
from drawdown.payments import Charge, ChargeState
from drawdown.runtime.control.purchase_steps import apply_charge
from drawdown.runtime.control.step import Step

from .conftest import SMALL, START, prepare
from .plans import published
from .test_purchases import pack
from .waiting import wait_until

Name = Callable[[str], str]
TOP_UP = {"prices": [{"currency": "USD", "model": "per_unit", "amount": "1"}]}
# As many credits of nine decimals as 64 bits hold, but for a few.
NEARLY_ALL = "9223372030"


def free_plan(db: Database, plan_id: str, **settings: object) -> str:
    """Sells credits in between at a dollar each, and costs nothing itself."""
    settings = {"credits": "5", "top_up": TOP_UP, **settings}
    return published(db, plan_id, type="free", base_fee=[], **settings).plan_id


@contextmanager
def shop(tmp_path: Path, payments: str) -> Iterator[EmbeddedDatabase]:
    """A database of its own, whose account ``acme`` may top up."""
    with drawdown.open(tmp_path / "data", **{**SMALL, "payments": payments}) as db:
        assert isinstance(db, EmbeddedDatabase)
        prepare(db)
        db.put_customer("c", payment_method="test_ok")
        db.create_account("acme", customer_id="c", test_clock=START)
        yield db


def told(db: Database, account: str, kind: str) -> list[dict[str, object]]:
    return [each.data for each in db.notices(account, kinds=[kind]).notices]


def test_a_top_up_beyond_the_types_decimals_is_refused(db: Database, account: str, name: Name) -> None:
    """Half a credit of a type that counts whole ones; nobody is asked for fifty cents."""
    db.create_credit_type(name("whole"), scale=0)
    charge = {"credit_type": name("whole"), "amount": "5", "cadence": "monthly"}
    db.subscribe(account, free_plan(db, name("plan"), credits=charge, rates=[]), subscription_id=name("s"))
    with pytest.raises(InvalidRequestError, match="decimals") as raised:
        db.top_up(account, name("whole"), "0.5", purchase_id=name("p"))
    assert raised.value.field == "credits"
    assert (db.purchases(account), db.balance(account, name("whole")).available) == ((), Decimal(5))


def test_more_packs_than_can_be_counted_are_refused(db: Database, account: str, name: Name) -> None:
    db.create_credit_type(name("fine"), scale=12)
    prices = [{"currency": "USD", "amount": "1"}]
    db.create_pack(name("big"), name="big", credit_type=name("fine"), amount="10000", prices=prices)
    with pytest.raises(InvalidRequestError) as raised:
        db.buy_pack(account, name("big"), purchase_id=name("p"), quantity=1_000)
    assert raised.value.field == "quantity"
    assert db.purchases(account) == ()


def test_what_the_balance_has_no_room_for_is_refused(db: Database, account: str, name: Name) -> None:
    """Billed later or paid at once: each pack fits, the sum does not."""
    db.subscribe(account, free_plan(db, name("plan")), subscription_id=name("s"))
    db.create_grant(account, "credits", NEARLY_ALL, grant_id="large")
    sold = pack(db, name("pack"))
    for bill_later in (False, True):
        with pytest.raises(PreconditionError) as raised:
            db.buy_pack(account, sold, purchase_id=name("p"), bill_later=bill_later)
        assert raised.value.reason == "OVERFLOW"
    assert db.purchases(account) == ()


def test_a_grant_that_has_the_purchases_name_is_in_its_way(db: Database, account: str, name: Name) -> None:
    db.create_grant(account, "credits", "1", grant_id=f"purchase:{name('p')}")
    with pytest.raises(AlreadyExistsError):
        db.buy_pack(account, pack(db, name("pack")), purchase_id=name("p"))
    assert db.purchases(account) == ()


@pytest.mark.parametrize("quantity", [92_233_721, 1_000_000_000])
def test_a_subscription_to_more_than_can_be_counted_is_refused(
    db: Database, account: str, name: Name, quantity: int
) -> None:
    """Subscribed to or imported; it was active and paid for, with no credits at all."""
    published(db, name("plan"), credits="100", fee="1")
    with pytest.raises(PreconditionError) as raised:
        db.subscribe(account, name("plan"), subscription_id=name("s"), quantity=quantity)
    assert (raised.value.reason, raised.value.field) == ("OVERFLOW", "quantity")
    row = {
        "kind": "subscription",
        "subscription_id": name("s"),
        "account": account,
        "plan_id": name("plan"),
        "started_at": START.isoformat(),
        "quantity": str(quantity),
    }
    assert [each.field for each in db.import_opening([row]).problems] == ["quantity"]
    assert db.invoices(account) == ()


@pytest.mark.parametrize(
    ("unit", "end"),
    [("week", datetime(2026, 2, 20, tzinfo=UTC)), ("month", datetime(2026, 3, 13, tzinfo=UTC))],
)
def test_a_top_ups_lifetime_begins_with_its_credits(tmp_path: Path, unit: str, end: datetime) -> None:
    """Paid by bank transfer after thirteen days: the credits have all of their time still."""
    with shop(tmp_path, "manual") as db:
        top_up = {**TOP_UP, "lifetime": {"count": 1, "unit": unit}}
        db.subscribe("acme", free_plan(db, "plan", top_up=top_up), subscription_id="s")
        assert db.top_up("acme", "credits", "50", purchase_id="p").state == "pending"
        db.advance_clock("acme", START + timedelta(days=13))
        paid = db.mark_purchase_paid("p")
        assert (paid.state, paid.expires_at) == ("granted", end)
        (grant,) = [each for each in db.grants("acme") if each.source == "purchase"]
        assert (grant.amount, grant.expires_at) == (Decimal(50), end)


def test_a_recharges_lifetime_begins_with_its_credits(tmp_path: Path) -> None:
    with shop(tmp_path, "manual") as db:
        db.subscribe("acme", free_plan(db, "plan"), subscription_id="s")
        db.set_recharge("acme", "credits", threshold="5", to="20", expires_after_days=2)
        (purchase,) = db.purchases("acme")
        db.advance_clock("acme", START + timedelta(days=13))
        paid = db.mark_purchase_paid(purchase.purchase_id)
        assert (paid.state, paid.expires_at) == ("granted", START + timedelta(days=15))
        assert db.balance("acme", "credits").available == Decimal(20)


def test_a_recharges_days_are_those_of_the_customers_calendar(tmp_path: Path) -> None:
    """Two days over the night in which Berlin loses an hour: at the same time of day."""
    with shop(tmp_path, "manual") as db:
        db.subscribe("acme", free_plan(db, "plan"), subscription_id="s")
        db.put_customer("c", payment_method="test_ok", time_zone="Europe/Berlin")
        begins = datetime(2026, 3, 28, 12, tzinfo=UTC)
        db.advance_clock("acme", begins)
        db.set_recharge("acme", "credits", threshold="5", to="20", expires_after_days=2)
        (purchase,) = db.purchases("acme")
        assert purchase.expires_at == begins + timedelta(days=2, hours=-1)


def test_credits_paid_for_reach_an_engine_whose_clock_has_gone_on_past_their_end(tmp_path: Path) -> None:
    """Paid on the first day and valid for two, delivered on the fifth: there, and visibly expired."""
    with shop(tmp_path, "manual") as db:
        db.subscribe("acme", free_plan(db, "plan"), subscription_id="s")
        db.set_recharge("acme", "credits", threshold="5", to="20", expires_after_days=2)
        (purchase,) = db.purchases("acme")
        plane = db._control_plane()
        with plane.delivery.resting():
            with plane.sql.transaction() as work:
                step = Step(plane, work)
                charge = Charge(key="", reference="", state=ChargeState.SUCCEEDED, amount=purchase.asked)
                apply_charge(step, work.purchase(purchase.purchase_id), charge)
                work.carry_out(step.decision, plane.now_us())
            db.advance_clock("acme", START + timedelta(days=5))
        plane.delivery.deliver()
        assert plane.delivery.refused == 0
        (bought,) = [each for each in db.grants("acme") if each.source == "recharge"]
        assert (bought.amount, bought.state) == (Decimal(15), "expired")
        assert (bought.effective_at, bought.expires_at) == (START, START + timedelta(days=2))


def test_credits_refused_after_the_payment_are_told_and_can_be_granted_or_refunded(tmp_path: Path) -> None:
    """The balance had room when the transfer was asked for, and has none when the money comes."""
    with shop(tmp_path, "manual") as db:
        for purchase_id in ("p", "q"):
            db.buy_pack("acme", pack(db, f"pack-{purchase_id}"), purchase_id=purchase_id)
        db.create_grant("acme", "credits", NEARLY_ALL, grant_id="large")
        for purchase_id in ("p", "p", "q"):
            stuck = db.mark_purchase_paid(purchase_id)
            assert (stuck.state, stuck.reason) == ("paid", "OVERFLOW")
            assert db.invoice(stuck.invoice_id).state == "paid"
        refused = [(each["purchase_id"], each["reason"]) for each in told(db, "acme", "purchase.not_granted")]
        assert refused == [("p", "OVERFLOW"), ("q", "OVERFLOW")]
        assert told(db, "acme", "purchase.granted") == []
        assert db.refund_purchase("q").refunded == Money(6_000, "USD")
        db.void_grant("acme", "large", confirm=True)
        granted = db.mark_purchase_paid("p")
        assert (granted.state, granted.reason) == ("granted", "")
        assert db.balance("acme", "credits").available == Decimal(20)


def test_a_recharge_whose_credits_are_refused_switches_itself_off(tmp_path: Path) -> None:
    """Refused before the payment it is held back; afterwards its money is spent and an operator's matter."""
    with shop(tmp_path, "manual") as db:
        db.subscribe("acme", free_plan(db, "plan"), subscription_id="s")
        db.set_recharge("acme", "credits", threshold="5", amount="10")
        (purchase,) = db.purchases("acme")
        later = START + timedelta(days=3)
        db.create_grant("acme", "credits", NEARLY_ALL, grant_id="large", effective_at=later)
        assert db.mark_purchase_paid(purchase.purchase_id).state == "paid"
        standing = db.recharge("acme", "credits").standing
        assert (standing.state, standing.reason, standing.count) == ("disabled", "credits_refused", 1)
        assert [each["reason"] for each in told(db, "acme", "recharge.disabled")] == ["credits_refused"]
        db.set_recharge("acme", "credits", threshold="6", amount="10")
        wait_until(lambda: len(told(db, "acme", "recharge.failed")) == 2)
        assert told(db, "acme", "recharge.failed")[-1]["reason"] == "credits_refused_overflow"
        assert len(db.purchases("acme")) == 1
