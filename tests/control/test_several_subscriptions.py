"""Several subscriptions of one account: what they share, and what becomes of it when one of them ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from drawdown.billing.invoice import Invoice
from drawdown.client.interface import Database
from drawdown.model.money import Money, money_from

from .plans import published

Name = Callable[[str], str]
EDGE = datetime(2026, 2, 28, tzinfo=UTC)
DAY = timedelta(days=1)


def usd(amount: str | int) -> Money:
    return money_from(amount, "USD")


def newest(db: Database, account: str) -> Invoice:
    return db.invoices(account)[-1]


def two(db: Database, account: str, name: Name) -> tuple[str, str]:
    """Two subscriptions whose renewals are on one invoice: 20.00 and 7.00."""
    minutes = {"credit_type": "minutes", "amount": "10", "cadence": "monthly"}
    published(db, name("plan"), credits="100")
    published(db, name("further"), credits=minutes, fee="7")
    for plan in ("plan", "further"):
        db.subscribe(account, name(plan), subscription_id=name(f"on-{plan}"))
    return name("on-plan"), name("on-further")


@pytest.mark.behaviour("S3-4")
def test_a_new_card_pays_a_joint_invoice_after_one_subscription_on_it_has_ended(
    db: Database, account: str, name: Name
) -> None:
    """27.00 are declined and the first is cancelled; the customer's next card is what the other pays by."""
    first, other = two(db, account, name)
    db.put_customer(name("customer"), payment_method="test_decline")
    db.advance_clock(account, EDGE)
    db.cancel_subscription(first, when="now")
    db.put_customer(name("customer"), payment_method="test_ok")
    unpaid = newest(db, account)
    assert (unpaid.state, unpaid.due, unpaid.attempts) == ("paid", usd(27), 1)
    assert db.subscription(other).state == "active"
    db.advance_clock(account, EDGE + 40 * DAY)
    assert (db.subscription(first).state, db.subscription(other).state) == ("ended", "active")


def test_a_joint_invoice_is_retried_with_the_card_of_the_subscription_that_goes_on(
    db: Database, account: str, name: Name
) -> None:
    """The one that has ended had a card of its own; that is not asked once more."""
    first, other = two(db, account, name)
    db.change_plan(
        first, name("plan"), change_id=name("card"), payment_method="test_decline", when="period_end"
    )
    db.advance_clock(account, EDGE)
    db.cancel_subscription(first, when="now")
    db.advance_clock(account, EDGE + DAY)
    assert (newest(db, account).state, newest(db, account).attempts) == ("paid", 1)
    assert db.subscription(other).state == "active"


def owed_after_its_end(db: Database, account: str, name: Name) -> str:
    """The declined invoice of a subscription that was cancelled since."""
    published(db, name("plan"), credits="100")
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.put_customer(name("customer"), payment_method="test_decline")
    db.advance_clock(account, EDGE)
    db.cancel_subscription(name("sub"), when="now")
    return newest(db, account).invoice_id


def test_what_an_ended_subscription_owes_is_asked_of_the_customers_new_card(
    db: Database, account: str, name: Name
) -> None:
    unpaid = owed_after_its_end(db, account, name)
    db.put_customer(name("customer"), payment_method="test_ok")
    assert db.retry_payment(unpaid, retry_id="r").state == "paid"


def test_a_card_named_for_what_an_ended_subscription_owes_pays_it(
    db: Database, account: str, name: Name
) -> None:
    """Before the customer's own, which is still the one that was declined."""
    unpaid = owed_after_its_end(db, account, name)
    assert db.retry_payment(unpaid, retry_id="r", payment_method="test_ok").state == "paid"


def licences(db: Database, account: str, name: Name, **settings: Any) -> tuple[str, str]:
    """Two subscriptions on one draft that waits for approval: 500.00 and 5.00, 7,000 credits and 10."""
    published(db, name("large"), fee="500", credits="7000", release="on_approval", **settings)
    published(db, name("small"), fee="5", credits="10", release="on_approval")
    for plan in ("large", "small"):
        db.subscribe(account, name(plan), subscription_id=name(f"on-{plan}"))
    return name("on-large"), name("on-small")


def available(db: Database, account: str) -> Decimal:
    return db.balance(account, "credits").available


@pytest.mark.behaviour("S4-6")
def test_cancelled_before_its_approval_it_is_not_on_the_draft_that_it_shared(
    db: Database, account: str, name: Name
) -> None:
    """Its 7,000 credits are void: what is approved is 5.00, and not 505.00."""
    large, small = licences(db, account, name)
    db.cancel_subscription(large, when="now")
    draft = newest(db, account)
    assert (draft.state, draft.gross, len(draft.releases)) == ("draft", usd(5), 1)
    assert {line.subscription_id for line in draft.lines} == {small}
    db.approve_invoice(draft.invoice_id)
    assert (newest(db, account).state, newest(db, account).paid) == ("paid", usd(5))
    assert available(db, account) == 10
    assert db.verify(account)


def test_a_draft_that_nothing_is_left_of_is_void(db: Database, account: str, name: Name) -> None:
    for each in licences(db, account, name):
        db.cancel_subscription(each, when="now")
    (draft,) = db.invoices(account)
    assert draft.state == "void"
    assert db.approve_invoice(draft.invoice_id).state == "void"
    assert [each.kind for each in db.notices(account).notices].count("invoice.voided") == 1


def test_credits_that_are_kept_wait_for_their_approval_with_their_price(
    db: Database, account: str, name: Name
) -> None:
    large, _ = licences(db, account, name)
    db.cancel_subscription(large, when="now", keep_credits=True)
    db.approve_invoice(newest(db, account).invoice_id)
    assert (newest(db, account).paid, available(db, account)) == (usd(505), 7010)


def test_usage_is_owed_though_the_period_behind_it_is_not_approved(
    db: Database, account: str, name: Name
) -> None:
    """Three past zero in February; in March it is cancelled, before its 500.00 are approved."""
    overage = {"prices": [{"currency": "USD", "model": "per_unit", "amount": "1"}]}
    published(db, name("large"), fee="500", credits="10", release="on_approval", overage=overage)
    db.subscribe(account, name("large"), subscription_id=name("sub"))
    db.approve_invoice(newest(db, account).invoice_id)
    db.record(account, credit_type="credits", credits="13", event_id=name("used"))
    db.advance_clock(account, EDGE)
    waiting = newest(db, account)
    assert (waiting.state, waiting.gross) == ("draft", usd(503))
    db.cancel_subscription(name("sub"), when="now")
    db.advance_clock(account, EDGE + DAY)
    draft = db.invoice(waiting.invoice_id)
    assert [(line.kind, line.amount) for line in draft.lines] == [("overage", usd(3))]
    db.approve_invoice(draft.invoice_id)
    assert db.invoice(draft.invoice_id).paid == usd(3)


def test_a_dearer_plan_that_nobody_approved_is_not_charged_after_a_cancellation(
    db: Database, account: str, name: Name
) -> None:
    """5.00 are approved and paid; the 495.00 of the change are void with the credits that it brought."""
    _, small = licences(db, account, name)
    db.cancel_subscription(name("on-large"), when="now")
    db.approve_invoice(newest(db, account).invoice_id)
    db.change_plan(small, name("large"), change_id=name("change"))
    assert (newest(db, account).state, newest(db, account).gross) == ("draft", usd(495))
    db.cancel_subscription(small, when="now")
    assert [each.state for each in db.invoices(account)] == ["paid", "void"]


def test_nothing_is_given_back_of_what_nobody_approved(db: Database, account: str, name: Name) -> None:
    """5.00 were paid; half a period of the 500.00 plan that came after it is not the customer's money."""
    for plan, fee in (("small", "5"), ("large", "500")):
        published(db, name(plan), fee=fee, credits="10", release="on_approval", proration="both")
    db.subscribe(account, name("small"), subscription_id=name("sub"))
    db.approve_invoice(newest(db, account).invoice_id)
    db.advance_clock(account, EDGE - 21 * DAY)
    db.change_plan(name("sub"), name("large"), change_id=name("change"))
    db.advance_clock(account, EDGE - 14 * DAY)
    db.cancel_subscription(name("sub"), when="now")
    given_back = [line.amount for line in newest(db, account).lines]
    assert ([each.state for each in db.invoices(account)], given_back) == (
        ["paid", "void", "draft"],
        [usd(-5)],
    )


def test_a_pack_that_was_delivered_waits_on_for_its_approval(db: Database, account: str, name: Name) -> None:
    """Of a pack each week the first was made: 5.00 of the 20.00, and none of the 500.00."""
    prices = [{"currency": "USD", "amount": "5"}]
    db.create_pack(name("pack"), name="Ten", amount="10", prices=prices)
    published(db, name("large"), fee="500", credits="7000", release="on_approval")
    order = {"service_id": "weekly", "pack_id": name("pack"), "schedule": "weekly"}
    db.subscribe(account, name("large"), subscription_id=name("sub"), services=[order])
    (draft,) = db.invoices(account)
    assert draft.gross == usd(520)
    db.cancel_subscription(name("sub"), when="now")
    db.approve_invoice(draft.invoice_id)
    assert (newest(db, account).paid, available(db, account)) == (usd(5), 10)


def test_a_closed_account_has_nothing_left_to_approve(db: Database, account: str, name: Name) -> None:
    licences(db, account, name)
    db.close_account(account, confirm=True)
    (draft,) = db.invoices(account)
    assert (draft.state, db.approve_invoice(draft.invoice_id).state) == ("void", "void")


def past_zero(db: Database, account: str, name: Name, credits: str) -> None:
    """Two subscriptions of 100 credits each with overage at 0.01, and usage of so many."""
    overage = {"prices": [{"currency": "USD", "model": "per_unit", "amount": "0.01"}]}
    for plan in ("one", "other"):
        published(db, name(plan), credits="100", overage=overage)
        db.subscribe(account, name(plan), subscription_id=name(f"on-{plan}"))
    db.record(account, credit_type="credits", credits=credits, event_id=name("used"))


@pytest.mark.behaviour("S0-6")
def test_a_preview_has_what_was_used_past_zero_once(db: Database, account: str, name: Name) -> None:
    """100 past zero at 0.01: 1.00 and not 2.00, as the invoice has it."""
    past_zero(db, account, name, "300")
    preview = db.preview_invoice(account)
    assert [(line.kind, line.amount) for line in preview.lines] == [("overage", usd(1))]
    db.advance_clock(account, EDGE + DAY)
    invoiced = [line for line in newest(db, account).lines if line.kind == "overage"]
    assert [line.amount for line in invoiced] == [usd(1)]


def test_a_preview_has_late_usage_once(db: Database, account: str, name: Name) -> None:
    """Five of February, noted when its invoice is final: one adjustment, not one per subscription."""
    past_zero(db, account, name, "300")
    db.advance_clock(account, EDGE + DAY)
    db.record(account, credit_type="credits", credits="200", event_id=name("march"))
    db.record(account, credit_type="credits", credits="500", event_id=name("late"), time=EDGE - DAY)
    preview = db.preview_invoice(account)
    assert [(line.kind, line.amount) for line in preview.lines] == [("adjustment", usd(5))]


@pytest.mark.parametrize("ids", [("a", "z"), ("z", "a")])
def test_of_subscriptions_imported_as_of_one_instant_the_last_in_the_file_is_the_newest(
    db: Database, account: str, name: Name, ids: tuple[str, str]
) -> None:
    """A call costs 3, then 5; whatever their ids are. Imported again, together or alone, they are known."""
    rows: list[dict[str, str]] = []
    for each, per_call in zip(ids, ("3", "5"), strict=True):
        published(db, name(f"plan-{each}"), rates=[{"meter": "calls", "credits": per_call}])
        rows.append(
            {
                "kind": "subscription",
                "subscription_id": name(each),
                "account": account,
                "plan_id": name(f"plan-{each}"),
                "started_at": "2026-01-15",
                "credits_left": "100",
            }
        )
    assert db.import_opening(rows).applied
    assert db.record(account, "calls", quantity=1, event_id=name("call")).charged == 5
    for again in (rows, rows[1:], rows[:1]):
        assert {each.state for each in db.import_opening(again).actions} == {"known"}
    other = db.import_opening([{**rows[1], "started_at": "2026-01-16"}])
    assert [each.field for each in other.problems] == ["subscription_id"]


@pytest.mark.parametrize("newer", ["without overage", "in trial"])
def test_the_newest_plan_of_a_credit_type_decides_alone_what_happens_at_zero(
    db: Database, account: str, name: Name, newer: str
) -> None:
    """An older plan's overage is off beside a newer one that serves none, until that has ended."""
    overage = {"prices": [{"currency": "USD", "model": "per_unit", "amount": "1"}]}
    trial = {"trial": {"days": 14, "credits": "10"}, "overage": overage}
    published(db, name("older"), credits="100", overage=overage)
    published(db, name("newer"), credits="10", **(trial if newer == "in trial" else {}))
    db.subscribe(account, name("older"), subscription_id=name("first"))
    assert db.balance(account, "credits").policy == "overage"
    db.subscribe(account, name("newer"), subscription_id=name("second"))
    assert db.balance(account, "credits").policy == "hard"
    past = db.record(account, credit_type="credits", credits="120", event_id=name("refused"))
    assert past.status == "INSUFFICIENT"
    db.cancel_subscription(name("second"), when="now")
    assert db.balance(account, "credits").policy == "overage"
    past = db.record(account, credit_type="credits", credits="120", event_id=name("taken"))
    assert past.status == "OK"


def test_the_last_that_ends_leaves_its_prices_and_one_of_several_does_not(
    db: Database, account: str, name: Name
) -> None:
    """What was bought is still spent; on meters of a subscription that has ended beside another it is not."""
    for stem, meter in (("first", "calls"), ("other", "storage")):
        published(db, name(stem), rates=[{"meter": meter, "credits": "1"}])
        db.subscribe(account, name(stem), subscription_id=name(f"on-{stem}"))
    db.create_grant(account, "credits", "10", grant_id="bought", source="purchase")
    for ended in ("first", "other"):
        db.cancel_subscription(name(f"on-{ended}"), when="now")
        assert db.check(account, "calls").reason == "NOT_ENTITLED"
        assert db.check(account, "storage").allowed
