"""Subscriptions that end before their first payment cost nothing, whoever shares their first invoice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import drawdown
import pytest
from drawdown.embedded import EmbeddedDatabase
from drawdown.errors import UnavailableError
from drawdown.model.money import Money, money_from
from drawdown.payments import Charge, PaymentRequest, ScriptedProvider

from .conftest import SMALL, prepare
from .plans import published

BEGINS = datetime(2026, 1, 15, tzinfo=UTC)
DAY = timedelta(days=1)
PAST_ZERO = {"prices": [{"currency": "USD", "model": "per_unit", "amount": "0.10"}]}


@pytest.fixture
def db(tmp_path: Path) -> Iterator[EmbeddedDatabase]:
    """An account on a clock of its own, with a plan whose trial of a week is paid for afterwards."""
    with drawdown.open(tmp_path / "data", **SMALL) as opened:
        assert isinstance(opened, EmbeddedDatabase)
        prepare(opened)
        opened.put_customer("acme", payment_method="test_unreachable")
        opened.create_account("acme", customer_id="acme", test_clock=BEGINS)
        published(opened, "plan", trial={"days": 7}, credits="100")
        yield opened


def taken(db: EmbeddedDatabase) -> list[Money]:
    """What the provider has taken of the customer."""
    charges = db._control_plane().provider.charges()
    return [each.amount for each in charges if each.state.value == "succeeded"]


def balances(db: EmbeddedDatabase) -> list[Money]:
    """What accounts have with us."""
    with db._control_plane().sql.transaction() as work:
        return [each.balance for each in work.money_balances.find() if each.balance]


def cancel(db: EmbeddedDatabase) -> None:
    for subscription in ("first", "second"):
        db.cancel_subscription(subscription, when="now")


def close(db: EmbeddedDatabase) -> None:
    db.close_account("acme", confirm=True)


def wait(db: EmbeddedDatabase) -> None:
    db.advance_clock("acme", BEGINS + 60 * DAY)


@pytest.mark.parametrize("method", ["test_unreachable", "test_decline"])
@pytest.mark.parametrize("ends", [cancel, close, wait])
def test_two_trials_that_end_at_one_instant_and_are_never_paid_for_cost_nothing(
    db: EmbeddedDatabase, ends: Callable[[EmbeddedDatabase], None], method: str
) -> None:
    """Their one invoice of 40.00 is void when both have ended; a card that works is asked for nothing."""
    db.put_customer("acme", payment_method=method)
    for subscription in ("first", "second"):
        db.subscribe("acme", "plan", subscription_id=subscription)
    db.advance_clock("acme", BEGINS + 8 * DAY)
    assert [str(each.due) for each in db.invoices("acme")] == ["40.00 USD"]
    ends(db)
    assert {each.state for each in db.subscriptions("acme")} == {"ended"}
    assert [each.state for each in db.invoices("acme") if not each.corrects] == ["void"]
    db.put_customer("acme", payment_method="test_ok")
    db.advance_clock("acme", BEGINS + 61 * DAY)
    assert (taken(db), balances(db)) == ([], [])


@pytest.mark.parametrize("overage", [None, PAST_ZERO])
def test_beside_one_that_goes_on_what_never_began_is_no_loss(
    db: EmbeddedDatabase, overage: dict[str, object] | None
) -> None:
    """40.00 for both are asked for already, final or in advance: of what comes 20.00 are the account's."""
    settings = {} if overage is None else {"overage": overage, "at_zero": {"kind": "overage"}}
    published(db, "main", release="immediate", **settings)
    published(db, "late", trial={"days": 31}, credits="100")
    db.put_customer("acme", payment_method="test_ok")
    db.subscribe("acme", "main", subscription_id="main")
    db.subscribe("acme", "late", subscription_id="late")
    db.put_customer("acme", payment_method="test_unreachable")
    db.advance_clock("acme", BEGINS + 32 * DAY)
    assert db.subscription("late").state == "pending"
    had = db.balance("acme", "credits").available
    db.cancel_subscription("late", when="now", keep_credits=True)
    db.put_customer("acme", payment_method="test_ok")
    db.advance_clock("acme", BEGINS + 40 * DAY)
    assert sum(each.minor for each in taken(db)) == 6000
    assert balances(db) == [money_from("20.00", "USD")]
    assert db.subscription("main").state == "active"
    assert db.balance("acme", "credits").available == had
    assert {each.state for each in db.invoices("acme")} == {"paid"}


def test_a_subscription_that_began_and_has_ended_still_owes_its_part(db: EmbeddedDatabase) -> None:
    """Its credits came with the period, before any payment: only the other's 20.00 are taken back."""
    published(db, "main", release="immediate")
    published(db, "late", trial={"days": 31}, credits="100")
    db.put_customer("acme", payment_method="test_ok")
    db.subscribe("acme", "main", subscription_id="main")
    db.subscribe("acme", "late", subscription_id="late")
    db.put_customer("acme", payment_method="test_unreachable")
    db.advance_clock("acme", BEGINS + 32 * DAY)
    db.cancel_subscription("main", when="now")
    db.cancel_subscription("late", when="now")
    (owed,) = (each for each in db.invoices("acme") if each.state == "finalized")
    notes = [each for each in db.invoices("acme") if each.corrects == owed.invoice_id]
    assert [str(line.amount) for note in notes for line in note.lines] == ["-20.00 USD"]


@pytest.mark.parametrize("ends", [lambda db: db.cancel_subscription("s", when="now"), close, wait])
def test_a_pack_bought_in_a_trial_to_be_billed_later_is_billed_though_the_plan_never_began(
    db: EmbeddedDatabase, ends: Callable[[EmbeddedDatabase], None]
) -> None:
    """The plan's 20.00 are not owed, the 5.00 of the 50 credits are, once."""
    db.create_pack("pack", name="Pack", amount="50", prices=[{"currency": "USD", "amount": "5"}])
    db.put_customer("acme", payment_method="test_decline")
    db.subscribe("acme", "plan", subscription_id="s")
    db.buy_pack("acme", "pack", purchase_id="later", bill_later=True)
    db.advance_clock("acme", BEGINS + 8 * DAY)
    db.put_customer("acme", payment_method="test_ok")
    ends(db)
    db.advance_clock("acme", BEGINS + 90 * DAY)
    assert db.subscription("s").state == "ended"
    assert [(each.state, str(each.due)) for each in db.invoices("acme")] == [
        ("void", "20.00 USD"),
        ("paid", "5.00 USD"),
    ]
    assert db.purchase("later").invoice_id == db.invoices("acme")[-1].invoice_id


def test_what_was_bought_to_be_billed_later_waits_for_the_invoice_of_a_plan_that_goes_on(
    db: EmbeddedDatabase,
) -> None:
    """Another subscription never begins: the pack stands on the next invoice of the one beside it."""
    published(db, "main", release="immediate")
    db.create_pack("pack", name="Pack", amount="50", prices=[{"currency": "USD", "amount": "5"}])
    db.put_customer("acme", payment_method="test_ok")
    db.subscribe("acme", "main", subscription_id="main")
    db.subscribe("acme", "plan", subscription_id="s", payment_method="test_decline")
    db.buy_pack("acme", "pack", purchase_id="later", bill_later=True)
    db.advance_clock("acme", BEGINS + 8 * DAY)
    db.cancel_subscription("s", when="now")
    assert db.purchase("later").invoice_id == ""
    db.advance_clock("acme", BEGINS + 32 * DAY)
    (billed,) = (each for each in db.invoices("acme") if str(each.due) == "25.00 USD")
    assert db.purchase("later").invoice_id == billed.invoice_id


def test_a_first_advance_that_is_answered_when_its_period_ends_begins_the_subscription(
    db: EmbeddedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its invoice has usage of the plan beside it, which is asked for only afterwards."""
    published(db, "main", release="immediate", overage=PAST_ZERO, at_zero={"kind": "overage"})
    minutes = {"credit_type": "minutes", "amount": "10", "cadence": "monthly"}
    published(db, "late", trial={"days": 31}, credits=minutes)
    db.put_customer("acme", payment_method="test_ok")
    db.subscribe("acme", "main", subscription_id="main")
    db.subscribe("acme", "late", subscription_id="late")
    db.record("acme", credit_type="credits", credits="1100", event_id="past zero")
    provider, ends_at = db._control_plane().provider, BEGINS + 59 * DAY
    charge = provider.charge

    def charge_at_the_end(request: PaymentRequest) -> Charge:
        if db.account("acme").test_clock != ends_at:
            raise UnavailableError("the provider can't be reached")
        return charge(request)

    monkeypatch.setattr(provider, "charge", charge_at_the_end)
    db.advance_clock("acme", BEGINS + 40 * DAY)
    shared = db.invoices("acme")[-1]
    assert (shared.state, shared.advance_state, str(shared.rest)) == ("finalized", "asked", "10.00 USD")
    assert db.subscription("late").state == "pending"
    db.advance_clock("acme", ends_at)
    assert db.subscription("late").state == "active"


def test_a_draft_that_nothing_is_left_of_keeps_the_money_that_was_on_its_way(db: EmbeddedDatabase) -> None:
    """It waits for usage of a plan without a fee, of which there is none: what comes is the account's."""
    free = {"type": "custom", "base_fee": [], "release": "immediate"}
    published(db, "main", overage=PAST_ZERO, at_zero={"kind": "overage"}, **free)
    published(db, "late", trial={"days": 31}, credits="100")
    db.put_customer("acme", payment_method="test_pending")
    db.subscribe("acme", "main", subscription_id="main")
    db.subscribe("acme", "late", subscription_id="late")
    db.advance_clock("acme", BEGINS + 31 * DAY)
    db.cancel_subscription("late", when="now")
    db.advance_clock("acme", BEGINS + 40 * DAY)
    provider = db.payment_provider()
    assert isinstance(provider, ScriptedProvider)
    (charge,) = provider.charges()
    body, headers = provider.finish(charge.key)
    db.provider_callback(body.decode(), headers)
    assert (taken(db), balances(db)) == ([charge.amount], [charge.amount])
