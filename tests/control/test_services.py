"""Licences: packs delivered on a schedule between From and To, rolling or expiring by their lifetime."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import drawdown
import pytest
from drawdown.client.interface import Database
from drawdown.model.money import Money
from drawdown.model.results import Grant

from .plans import published

Name = Callable[[str], str]
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def at(month: int, day: int = 1) -> datetime:
    return datetime(2026, month, day, tzinfo=UTC)


@pytest.fixture
def account(db: Database, name: Name) -> str:
    """A member's account; invoices are approved by hand, as licences are."""
    db.create_account(name("account"), customer_id=name("customer"), test_clock=BEGIN)
    return name("account")


@pytest.fixture
def licence(db: Database, account: str, name: Name) -> str:
    """A licence without credits of its own; credits wait for the approval of their invoice."""
    plan = published(
        db,
        name("licence"),
        type="custom",
        base_fee=[],
        credits=None,
        rates=[],
        release="on_approval",
    ).plan_id
    db.subscribe(account, plan, subscription_id=name("sub"))
    return name("sub")


@pytest.fixture
def pack(db: Database, name: Name) -> Callable[..., str]:
    """A pack of 10 credits at 5.00 USD that live a month."""

    def make(**facts: Any) -> str:
        content = {
            "name": "Ten",
            "amount": "10",
            "prices": [{"currency": "USD", "amount": "5", "model": "per_unit"}],
            "lifetime": {"count": 1, "unit": "month"},
        }
        return db.create_pack(name("pack"), **{**content, **facts}).pack_id

    return make


def approve_all(db: Database, account: str) -> None:
    for invoice in db.invoices(account):
        if invoice.state == "draft":
            db.approve_invoice(invoice.invoice_id)


def deliveries(db: Database, account: str) -> list[Grant]:
    return sorted(
        (each for each in db.grants(account) if each.grant_id.startswith("svc")),
        key=lambda each: each.effective_at or BEGIN,
    )


def live_until(db: Database, account: str, to: datetime) -> None:
    """Day by day, each invoice approved at once."""
    day = db.account(account).test_clock or BEGIN
    approve_all(db, account)
    while day < to:
        day = min(to, day + timedelta(days=1))
        db.advance_clock(account, day)
        approve_all(db, account)


@pytest.mark.behaviour("S4-1", "S4-2", "S4-6", "S4-14")
def test_a_pack_on_a_licence_is_delivered_when_its_invoice_is_approved(
    db: Database, account: str, licence: str, pack: Callable[..., str]
) -> None:
    """Added to a licence that exists; unapproved it delivers nothing, approved it has its lifetime."""
    db.add_service(licence, pack(), service_id="ten")
    assert db.balance(account, "credits").available == 0
    db.advance_clock(account, at(3, 3))
    assert db.balance(account, "credits").available == 0
    drafts = [each for each in db.invoices(account) if each.lines]
    assert [line.amount for line in drafts[0].lines] == [Money(500, "USD")]
    db.approve_invoice(drafts[0].invoice_id)
    assert db.balance(account, "credits").available == Decimal(10)
    (grant,) = deliveries(db, account)
    assert (grant.effective_at, grant.expires_at) == (BEGIN, at(4))
    assert db.add_service(licence, pack(), service_id="ten") == db.subscription(licence)
    assert len(deliveries(db, account)) == 1


@pytest.mark.behaviour("S4-2")
def test_packs_can_be_put_on_while_the_licence_is_made(
    db: Database, account: str, licence: str, pack: Callable[..., str], name: Name
) -> None:
    order = {"service_id": "ten", "pack_id": pack(), "schedule": "monthly"}
    db.subscribe(account, name("licence"), subscription_id=name("second"), services=[order])
    approve_all(db, account)
    assert db.balance(account, "credits").available == Decimal(10)


@pytest.mark.behaviour("S4-3")
def test_only_a_pack_that_exists_can_be_chosen(db: Database, account: str, licence: str) -> None:
    with pytest.raises(drawdown.NotFoundError) as raised:
        db.add_service(licence, "nothing", service_id="ten")
    assert raised.value.field == "pack_id"
    assert not db.subscription(licence).services


@pytest.mark.behaviour("S4-4", "S4-7", "S4-9", "S4-10")
def test_ten_credits_a_month_for_twelve_months(
    db: Database, account: str, licence: str, pack: Callable[..., str]
) -> None:
    """Twelve deliveries, one line a month for the whole amount, nothing after To."""
    end = datetime(2027, 3, 1, tzinfo=UTC)
    db.add_service(licence, pack(), service_id="ten", schedule="monthly", ends_at=end)
    approve_all(db, account)
    for month in range(4, 13):
        db.advance_clock(account, at(month))
        approve_all(db, account)
        assert db.balance(account, "credits").available == Decimal(10)
    for month in (1, 2, 3, 4):
        db.advance_clock(account, datetime(2027, month, 1, tzinfo=UTC))
        approve_all(db, account)
    assert len(deliveries(db, account)) == 12
    assert db.balance(account, "credits").available == 0
    lines = [line for invoice in db.invoices(account) for line in invoice.lines]
    assert [line.amount for line in lines] == [Money(500, "USD")] * 12


@pytest.mark.parametrize("mark", ['"', "\\", "%", "_", "é"])
def test_a_delivery_is_charged_once_and_given_whatever_its_ids_are_written_with(
    db: Database, account: str, name: Name, pack: Callable[..., str], mark: str
) -> None:
    """A quote and a backslash stand escaped in what is stored; the line is found all the same."""
    subscription_id = f"{name('sub')}{mark}x"
    plan = published(db, name("marked"), type="free", base_fee=[], credits="1", rates=[])
    db.put_customer(name("customer"), payment_method="test_ok")
    db.subscribe(account, plan.plan_id, subscription_id=subscription_id)
    db.add_service(subscription_id, pack(), service_id=f"ten{mark}", schedule="monthly")
    for month in (4, 5):
        db.advance_clock(account, at(month))
    lines = [line for invoice in db.invoices(account) for line in invoice.lines]
    assert [line.amount for line in lines if line.kind == "pack"] == [Money(500, "USD")] * 3
    assert [each.state for each in deliveries(db, account)] == ["expired", "expired", "active"]


@pytest.mark.behaviour("S4-5", "S4-8")
@pytest.mark.parametrize(("start", "count"), [(BEGIN, 5), (at(3, 4), 4)])
def test_a_weekly_pack_has_a_line_per_delivery_in_the_month(
    db: Database, account: str, licence: str, pack: Callable[..., str], start: datetime, count: int
) -> None:
    """March from the 1st has five schedule dates, from the 4th four; each is delivered and charged."""
    lifetime = {"count": 1, "unit": "week"}
    db.add_service(licence, pack(lifetime=lifetime), service_id="w", schedule="weekly", starts_at=start)
    (draft,) = [each for each in db.invoices(account) if each.lines]
    assert [line.amount for line in draft.lines] == [Money(500, "USD")] * count
    db.approve_invoice(draft.invoice_id)
    db.advance_clock(account, at(3, 31))
    assert [each.effective_at for each in deliveries(db, account)] == [
        start + timedelta(weeks=week) for week in range(count)
    ]


@pytest.mark.behaviour("S4-10")
def test_from_and_to_bound_the_deliveries(
    db: Database, account: str, licence: str, pack: Callable[..., str]
) -> None:
    """From the 10th of March to the 10th of June: three deliveries, none before and none at To."""
    db.add_service(
        licence, pack(), service_id="ten", schedule="monthly", starts_at=at(3, 10), ends_at=at(6, 10)
    )
    approve_all(db, account)
    db.advance_clock(account, at(3, 10) - timedelta(microseconds=1))
    assert not deliveries(db, account)
    live_until(db, account, at(8))
    assert [each.effective_at for each in deliveries(db, account)] == [at(3, 10), at(4, 10), at(5, 10)]


@pytest.mark.behaviour("S4-11", "S4-12", "S4-13")
def test_a_one_off_allowance(db: Database, account: str, licence: str, pack: Callable[..., str]) -> None:
    """10,000 credits for twelve months: one payment, one delivery, valid for its lifetime."""
    allowance = pack(amount="10000", lifetime={"count": 12, "unit": "month"})
    db.add_service(licence, allowance, service_id="once", schedule="one_off")
    approve_all(db, account)
    live_until(db, account, at(6))
    (grant,) = deliveries(db, account)
    assert (grant.amount, grant.expires_at) == (Decimal(10_000), datetime(2027, 3, 1, tzinfo=UTC))
    assert len([line for invoice in db.invoices(account) for line in invoice.lines]) == 1


@pytest.mark.behaviour("S4-15", "S4-16", "S4-17", "S4-19")
def test_a_lifetime_beyond_the_schedule_rolls(
    db: Database, account: str, licence: str, pack: Callable[..., str]
) -> None:
    """Two months, delivered monthly: two deliveries overlap without a cap, the sooner to end goes first."""
    two_months = pack(lifetime={"count": 2, "unit": "month"})
    db.set_rate(meter="calls", credits="1")
    db.add_service(licence, two_months, service_id="ten", schedule="monthly")
    live_until(db, account, at(4))
    assert db.balance(account, "credits").available == Decimal(20)
    db.record(account, "calls", quantity=4, time=at(4))
    assert [each.remaining for each in deliveries(db, account)] == [Decimal(6), Decimal(10)]
    live_until(db, account, at(5))
    assert db.balance(account, "credits").available == Decimal(20)


@pytest.mark.behaviour("S4-18")
def test_a_lifetime_equal_to_the_schedule_expires(
    db: Database, account: str, licence: str, pack: Callable[..., str]
) -> None:
    """Unused credits vanish in the instant in which the next delivery comes."""
    db.add_service(licence, pack(), service_id="ten", schedule="monthly")
    live_until(db, account, at(4))
    first, second = deliveries(db, account)
    assert (first.state, first.expires_at, second.effective_at) == ("expired", at(4), at(4))
    assert db.balance(account, "credits").available == Decimal(10)


@pytest.mark.behaviour("S4-20", "S4-21", "S4-22", "S4-23")
def test_number_used_and_remaining_are_those_of_active_packs(
    db: Database, account: str, licence: str, pack: Callable[..., str]
) -> None:
    """Not before its start, not after its end; used + remaining = number, always."""
    db.set_rate(meter="calls", credits="1")
    db.add_service(licence, pack(), service_id="now", schedule="monthly", ends_at=at(4))
    db.add_service(licence, pack(), service_id="later", schedule="monthly", starts_at=at(3, 20))
    approve_all(db, account)
    db.record(account, "calls", quantity=3, time=BEGIN)

    def figures() -> tuple[Decimal, Decimal, Decimal]:
        active = [each for each in deliveries(db, account) if each.state in ("active", "exhausted")]
        number = sum((each.amount for each in active), Decimal(0))
        used = sum((each.burned for each in active), Decimal(0))
        remaining = sum((each.remaining for each in active), Decimal(0))
        assert used + remaining == number
        return number, used, remaining

    assert figures() == (Decimal(10), Decimal(3), Decimal(7))
    db.advance_clock(account, at(3, 20))
    assert figures() == (Decimal(20), Decimal(3), Decimal(17))
    db.advance_clock(account, at(4))
    assert figures() == (Decimal(10), Decimal(0), Decimal(10))


@pytest.mark.behaviour("S4-24", "S4-25")
def test_a_renewing_licence_extends_its_services_but_not_terminated_ones(
    db: Database, account: str, pack: Callable[..., str], licence: str, name: Name
) -> None:
    """A term of two months renews: one service goes on with it, the terminated one does not."""
    orders = [{"service_id": each, "pack_id": pack(), "schedule": "monthly"} for each in ("stays", "stops")]
    db.subscribe(account, name("licence"), subscription_id=name("term"), term=2, services=orders)
    approve_all(db, account)
    assert {each.until for each in db.subscription(name("term")).services} == {at(5)}
    db.advance_clock(account, at(4, 15))
    db.terminate_service(name("term"), "stops")
    live_until(db, account, at(6, 15))
    services = {each.service_id: each for each in db.subscription(name("term")).services}
    assert services["stays"].until == at(7)
    assert services["stops"].state == "terminated"
    made = [each.grant_id for each in deliveries(db, account)]
    assert len([each for each in made if "stays" in each]) == 4
    assert len([each for each in made if "stops" in each]) == 2


@pytest.mark.behaviour("S4-24", "S4-10")
def test_a_renewing_licence_moves_no_end_that_was_asked_for(
    db: Database, account: str, pack: Callable[..., str], licence: str, name: Name
) -> None:
    """Terms of two months: To in the midst of the first, or at its end, stays; without one it goes on."""
    ends = {"early": at(4), "own": at(5), "none": None}
    orders = [
        {"service_id": each, "pack_id": pack(), "schedule": "monthly", "ends_at": end}
        for each, end in ends.items()
    ]
    db.subscribe(account, name("licence"), subscription_id=name("term"), term=2, services=orders)
    live_until(db, account, at(8))
    services = {each.service_id: each for each in db.subscription(name("term")).services}
    assert {each: found.until for each, found in services.items()} == {**ends, "none": at(9)}
    assert {each: found.delivered for each, found in services.items()} == {"early": 1, "own": 2, "none": 6}
    assert len(deliveries(db, account)) == 1 + 2 + 6


def test_a_repeated_order_answers_after_the_licence_has_ended(
    db: Database, account: str, licence: str, pack: Callable[..., str]
) -> None:
    """The same call again is the same call, whatever has happened since; another one is refused."""
    db.add_service(licence, pack(), service_id="ten")
    db.cancel_subscription(licence, when="now")
    assert db.add_service(licence, pack(), service_id="ten").state == "ended"
    with pytest.raises(drawdown.PreconditionError):
        db.add_service(licence, pack(), service_id="more")


def test_without_auto_renewal_services_end_with_the_term(
    db: Database, account: str, pack: Callable[..., str], licence: str, name: Name
) -> None:
    order = {"service_id": "ten", "pack_id": pack(), "schedule": "monthly"}
    db.subscribe(account, name("licence"), subscription_id=name("term"), term=2, services=[order])
    db.set_auto_renew(name("term"), False)
    live_until(db, account, at(7))
    assert db.subscription(name("term")).state == "ended"
    assert len(deliveries(db, account)) == 2


@pytest.mark.behaviour("S4-27", "S4-28")
def test_a_part_month_delivers_in_full_unless_adjusted_by_hand(
    db: Database, account: str, licence: str, pack: Callable[..., str]
) -> None:
    """From the 20th: the whole pack for its whole lifetime; adjusted by hand to 4, with 1 used 3 are left."""
    db.set_rate(meter="calls", credits="1")
    db.add_service(licence, pack(), service_id="ten", schedule="monthly", starts_at=at(3, 20))
    approve_all(db, account)
    db.advance_clock(account, at(3, 20))
    (grant,) = deliveries(db, account)
    assert (grant.amount, grant.expires_at) == (Decimal(10), at(4, 20))
    db.record(account, "calls", quantity=1, time=at(3, 20))
    db.adjust_delivery(licence, "ten", 0, "4")
    assert db.balance(account, "credits").available == Decimal(3)
    db.adjust_delivery(licence, "ten", 1, "6")
    live_until(db, account, at(4, 20))
    assert db.balance(account, "credits").available == Decimal(6)
    assert db.verify(account)


@pytest.mark.behaviour("S4-28", "S4-6")
def test_a_delivery_that_waits_for_approval_can_be_adjusted(
    db: Database, account: str, licence: str, pack: Callable[..., str]
) -> None:
    """10 are delivered and not approved, set to 4 by hand: approved, 4 are there."""
    db.add_service(licence, pack(), service_id="ten")
    db.adjust_delivery(licence, "ten", 0, "4")
    assert db.balance(account, "credits").available == 0
    approve_all(db, account)
    assert db.balance(account, "credits").available == Decimal(4)


@pytest.mark.behaviour("S4-28")
def test_a_delivery_can_be_adjusted_again_and_back(
    db: Database, account: str, licence: str, pack: Callable[..., str]
) -> None:
    """1 of 10 is used; set to 4, to 6, to 4 again, that twice, and to 10: always the amount less the 1."""
    db.set_rate(meter="calls", credits="1")
    db.add_service(licence, pack(), service_id="ten")
    approve_all(db, account)
    db.record(account, "calls", quantity=1, time=BEGIN)
    for amount in (4, 6, 4, 4, 10):
        db.adjust_delivery(licence, "ten", 0, amount)
        assert db.balance(account, "credits").available == Decimal(amount - 1)
    assert db.verify(account)


@pytest.mark.behaviour("S4-29", "S4-30")
def test_several_packs_and_licences_feed_one_balance(
    db: Database, account: str, licence: str, pack: Callable[..., str], name: Name
) -> None:
    """Two schedules on one licence and a second licence of the account: one pool."""
    db.add_service(licence, pack(), service_id="monthly", schedule="monthly")
    db.add_service(licence, pack(), service_id="weekly", schedule="weekly", quantity=2)
    db.subscribe(account, name("licence"), subscription_id=name("second"))
    db.add_service(name("second"), pack(), service_id="once")
    approve_all(db, account)
    assert db.balance(account, "credits").available == Decimal(40)
    assert len(db.balances(account)) == 1


def test_bill_later_delivers_now_and_charges_on_the_next_invoice(
    db: Database, account: str, licence: str, pack: Callable[..., str]
) -> None:
    db.add_service(licence, pack(), service_id="ten", schedule="monthly", bill_later=True)
    assert db.balance(account, "credits").available == Decimal(10)
    assert not [line for invoice in db.invoices(account) for line in invoice.lines]
    db.advance_clock(account, at(4))
    assert [line.amount for line in db.invoices(account)[-1].lines] == [Money(500, "USD")]


def test_a_pause_skips_deliveries_and_they_go_on(
    db: Database, account: str, licence: str, pack: Callable[..., str]
) -> None:
    """Weekly from the 1st, paused from the 7th to the 9th: all but the delivery of the 8th."""
    db.add_service(licence, pack(), service_id="weekly", schedule="weekly")
    live_until(db, account, at(3, 7))
    db.pause_subscription(licence)
    live_until(db, account, at(3, 9))
    db.resume_subscription(licence)
    live_until(db, account, at(4, 6))
    days = [each.effective_at and each.effective_at.date().isoformat() for each in deliveries(db, account)]
    assert days == ["2026-03-01", "2026-03-15", "2026-03-22", "2026-03-29", "2026-04-05"]


def test_a_service_begins_when_the_trial_is_over(
    db: Database, account: str, pack: Callable[..., str], name: Name
) -> None:
    """During the trial nothing is charged or delivered; then each delivery is, once."""
    db.put_customer(name("customer"), payment_method="test_ok")
    published(db, name("trial"), trial={"days": 14}, credits=None, type="custom", fee="1", rates=[])
    orders = [
        {"service_id": "weekly", "pack_id": pack(), "schedule": "weekly"},
        {"service_id": "once", "pack_id": pack()},
    ]
    db.subscribe(account, name("trial"), subscription_id=name("sub"), services=orders)
    db.advance_clock(account, at(3, 14))
    assert (deliveries(db, account), db.invoices(account)) == ([], ())
    db.advance_clock(account, at(4, 14))
    dates = sorted((each.effective_at or BEGIN).date().isoformat() for each in deliveries(db, account))
    assert dates == ["2026-03-15", "2026-03-15", "2026-03-22", "2026-03-29", "2026-04-05", "2026-04-12"]
    (invoice,) = db.invoices(account)
    assert sum(line.amount.minor for line in invoice.lines if line.kind == "pack") == 6 * 500
