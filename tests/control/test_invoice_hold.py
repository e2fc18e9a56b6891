"""An invoice far above the usual is not issued unseen: it waits for an operator, as do those behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import drawdown
import pytest
from drawdown.client.interface import Database
from drawdown.errors import PreconditionError
from drawdown.payments import ScriptedProvider

from .conftest import SMALL, START, prepare
from .plans import published
from .test_invoice_grace import MINUTE, use
from .test_invoices import (
    APRIL_END,
    FEBRUARY_END,
    GRACE,
    MARCH_END,
    credit,
    lines,
    newest,
    overage_plan,
    subscribed,
    usd,
)

Name = Callable[[str], str]


def charged(db: Database) -> list[Any]:
    provider = db.payment_provider()
    assert isinstance(provider, ScriptedProvider)
    return [each.amount for each in provider.charges()]


def held_notices(db: Database, account: str) -> list[dict[str, Any]]:
    return [each.data for each in db.notices(account).notices if each.kind == "invoice.held"]


def test_usage_at_ten_thousand_times_its_rate_waits_for_approval(
    db: Database, account: str, name: Name
) -> None:
    """A wrong rate makes 10.00 of usage 100,000.00: nobody is charged for it before it was seen."""
    subscribed(db, account, name, **overage_plan("1"))
    use(db, account, "100100", "wrong-unit")
    db.advance_clock(account, FEBRUARY_END + GRACE)
    held = newest(db, account)
    assert (held.state, held.number, held.paid) == ("draft", "", None)
    assert lines(held) == {"base_fee": "20.00", "overage": "100000.00"}
    assert held.held == (
        "100000.00 USD for usage, 5000 times what the account was usually billed for as long a time"
    )
    (notice,) = held_notices(db, account)
    assert (notice["invoice_id"], notice["reason"]) == (held.invoice_id, held.held)
    db.advance_clock(account, FEBRUARY_END + timedelta(days=20))
    assert newest(db, account).state == "draft" and len(held_notices(db, account)) == 1
    db.approve_invoice(held.invoice_id)
    final = newest(db, account)
    assert (final.state, final.paid, final.held) == ("paid", usd(100_020), "")
    assert db.approve_invoice(held.invoice_id).state == "paid"


def test_what_is_due_in_advance_and_the_credits_do_not_wait(db: Database, account: str, name: Name) -> None:
    """The period's fee is paid, its credits are there: only what is above the usual is held."""
    subscribed(db, account, name, **overage_plan("1"))
    use(db, account, "100100", "wrong-unit")
    db.advance_clock(account, FEBRUARY_END + GRACE)
    held = newest(db, account)
    assert (held.advance, held.advance_state) == (usd(20), "paid")
    assert str(db.balance(account, "credits").available) == "100"


def test_usage_that_is_corrected_meanwhile_is_on_it_as_corrected(
    db: Database, account: str, name: Name
) -> None:
    """The events are put right while the invoice is held: what is approved is what was used."""
    subscribed(db, account, name, **overage_plan("1"))
    use(db, account, "100", "right")
    db.record(account, "calls", quantity=50_000, event_id="wrong")
    db.advance_clock(account, FEBRUARY_END + GRACE)
    held = newest(db, account)
    assert held.held
    db.correct(account, "wrong", quantity=5, correction_id="put-right")
    assert lines(newest(db, account)) == {"base_fee": "20.00", "overage": "10.00"}
    db.approve_invoice(held.invoice_id)
    final = newest(db, account)
    assert (lines(final), final.state) == ({"base_fee": "20.00", "overage": "10.00"}, "paid")
    db.advance_clock(account, MARCH_END + GRACE)
    assert lines(newest(db, account)) == {"base_fee": "20.00"}


def test_drafts_behind_a_held_one_wait_for_it(db: Database, account: str, name: Name) -> None:
    """March is not closed before February: what comes late to one is an adjustment on the other."""
    subscribed(db, account, name, **overage_plan("1"))
    use(db, account, "100100", "february")
    db.advance_clock(account, FEBRUARY_END + MINUTE)
    use(db, account, "103", "march")
    db.advance_clock(account, MARCH_END + GRACE)
    february, march = db.invoices(account)[1:]
    assert (february.state, march.state) == ("draft", "draft")
    assert march.held == f"the usage of {february.invoice_id} comes first"
    with pytest.raises(PreconditionError, match="approve that one first") as refused:
        db.approve_invoice(march.invoice_id)
    assert refused.value.reason == "INVOICE_BEHIND_HELD"
    db.approve_invoice(february.invoice_id)
    february, march = db.invoices(account)[1:]
    assert [each.state for each in (february, march)] == ["paid", "paid"]
    assert lines(february) == {"base_fee": "20.00", "overage": "100000.00"}
    assert lines(march) == {"base_fee": "20.00", "overage": "3.00"}


def test_drafts_behind_one_that_is_made_void_go_out(db: Database, account: str, name: Name) -> None:
    """February's is given up, with a fee that a credit had paid: March waits for nothing any more."""
    subscribed(db, account, name, **overage_plan("1"))
    credit(db, account, name("credit"), "20")
    use(db, account, "100100", "february")
    db.advance_clock(account, FEBRUARY_END + MINUTE)
    use(db, account, "103", "march")
    db.advance_clock(account, MARCH_END + GRACE)
    february, march = db.invoices(account)[1:]
    assert february.held and march.held
    with pytest.raises(PreconditionError, match="approve or close that one first") as refused:
        db.close_invoice(march.invoice_id, "void")
    assert refused.value.reason == "INVOICE_BEHIND_ANOTHER"
    assert db.close_invoice(february.invoice_id, "void").held == ""
    february, march = db.invoices(account)[1:]
    assert [(each.state, each.held) for each in (february, march)] == [("void", ""), ("paid", "")]
    assert lines(february) == {"base_fee": "20.00", "overage": "100000.00"}
    assert lines(march) == {"base_fee": "20.00", "overage": "3.00"}


def test_usage_of_a_draft_nobody_pays_is_on_no_later_invoice(db: Database, account: str, name: Name) -> None:
    """Closed in its grace: its overage goes with it, and what comes late after that is an adjustment."""
    subscribed(db, account, name, **overage_plan("1"))
    credit(db, account, name("credit"), "20")
    use(db, account, "110", "february")
    db.advance_clock(account, FEBRUARY_END + MINUTE)
    draft = newest(db, account)
    with pytest.raises(PreconditionError, match="make it void, or approve it"):
        db.close_invoice(draft.invoice_id, "uncollectible")
    db.close_invoice(draft.invoice_id, "void")
    closed = newest(db, account)
    assert (closed.state, lines(closed)) == ("void", {"base_fee": "20.00", "overage": "10.00"})
    use(db, account, "103", "march")
    used = db.record(account, credit_type="credits", credits="2", event_id="late", time=FEBRUARY_END - MINUTE)
    assert used.status == "OK"
    db.advance_clock(account, MARCH_END + GRACE)
    assert lines(newest(db, account)) == {"base_fee": "20.00", "overage": "3.00", "adjustment": "2.00"}


@pytest.mark.parametrize("was_final", [False, True], ids=["a draft", "a final one"])
def test_nothing_is_given_back_for_usage_that_nobody_paid(
    db: Database, account: str, name: Name, was_final: bool
) -> None:
    """The invoice is made void first and its usage is put right afterwards: no money comes of that."""
    subscribed(db, account, name, **overage_plan("1"))
    credit(db, account, name("credit"), "20")
    use(db, account, "105", "right")
    db.record(account, "calls", quantity=500, event_id="wrong")
    if was_final:
        db.put_customer(name("customer"), payment_method="test_decline")
    db.advance_clock(account, FEBRUARY_END + (GRACE if was_final else MINUTE))
    wrong = newest(db, account)
    assert wrong.state == ("finalized" if was_final else "draft")
    db.close_invoice(wrong.invoice_id, "void")
    db.correct(account, "wrong", cancel=True, correction_id="put-right")
    db.put_customer(name("customer"), payment_method="test_ok")
    db.advance_clock(account, MARCH_END + GRACE)
    assert lines(newest(db, account)) == {"base_fee": "20.00"}
    assert newest(db, account).paid is not None


def test_up_to_the_factor_an_invoice_goes_out_by_itself(db: Database, account: str, name: Name) -> None:
    """20.00 for 28 days are usual, and the usage lasted as long: 2,000.00 are taken, a cent more is not."""
    subscribed(db, account, name, **overage_plan("0.01"))
    use(db, account, str(100 + 200_000), "a-hundred-times")
    db.advance_clock(account, FEBRUARY_END + GRACE)
    assert (newest(db, account).state, newest(db, account).paid) == ("paid", usd(2_020))
    other = name("other")
    db.put_customer(other, payment_method="test_ok")
    db.create_account(other, customer_id=other, test_clock=START)
    db.subscribe(other, name("plan"), subscription_id=name("sub-other"))
    use(db, other, str(100 + 200_001), "and-a-cent")
    db.advance_clock(other, FEBRUARY_END + GRACE)
    assert newest(db, other).state == "draft" and newest(db, other).held


def test_what_was_taken_once_is_usual_from_then_on(db: Database, account: str, name: Name) -> None:
    """After a month of 2,020.00 one of 100,000.00 is fifty times the usual and goes out."""
    subscribed(db, account, name, **overage_plan("1"))
    use(db, account, "2100", "february")
    db.advance_clock(account, FEBRUARY_END + GRACE)
    use(db, account, "100100", "march")
    db.advance_clock(account, MARCH_END + GRACE)
    assert newest(db, account).state == "paid"
    assert lines(newest(db, account)) == {"base_fee": "20.00", "overage": "100000.00"}


def test_without_a_usual_bill_nothing_is_held(db: Database, account: str, name: Name) -> None:
    """An account that was never billed for anything has no measure."""
    subscribed(db, account, name, **overage_plan("1", fee="0"))
    use(db, account, "100100", "first")
    db.advance_clock(account, FEBRUARY_END + GRACE)
    assert (newest(db, account).state, newest(db, account).paid) == ("paid", usd(100_000))


@pytest.fixture
def unlimited(tmp_path: Path) -> Iterator[Database]:
    with drawdown.open(tmp_path / "data", **{**SMALL, "invoice_hold_factor": 0}) as opened:
        prepare(opened)
        yield opened


def test_the_setting_0_holds_none_and_a_provider_is_not_asked_for_a_held_one(
    unlimited: Database, tmp_path: Path
) -> None:
    """The same story with and without: 100,000.00 are asked for, or nothing behind is."""
    assert charged(_story(unlimited)) == [usd(20), usd(20), usd(100_000)]
    with drawdown.open(tmp_path / "judged", **SMALL) as judged:
        prepare(judged)
        assert charged(_story(judged)) == [usd(20), usd(20)]


def _story(db: Database) -> Database:
    db.put_customer("c", payment_method="test_ok")
    db.create_account("acme", customer_id="c", test_clock=START)
    published(db, "plan", **overage_plan("1"))
    db.subscribe("acme", "plan", subscription_id="s")
    use(db, "acme", "100100", "wrong-unit")
    db.advance_clock("acme", FEBRUARY_END + GRACE)
    return db


def test_a_change_of_plan_that_bills_usage_is_held_too(db: Database, account: str, name: Name) -> None:
    """Usage that a change of plan bills in the midst of a period has an invoice of its own."""
    subscribed(db, account, name, **overage_plan("1"))
    published(db, name("other"), **overage_plan("2"))
    db.advance_clock(account, FEBRUARY_END + GRACE)
    use(db, account, "100100", "wrong-unit")
    db.advance_clock(account, MARCH_END - timedelta(days=10))
    db.change_plan(name("sub"), name("other"), change_id="up")
    db.advance_clock(account, APRIL_END + GRACE)
    held = [each for each in db.invoices(account) if each.held]
    assert held and all(each.state == "draft" for each in held)
