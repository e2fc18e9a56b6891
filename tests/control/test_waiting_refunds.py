"""While a refund waits for the provider nothing changes what it asked for, and nothing is lost meanwhile."""

from __future__ import annotations

from pathlib import Path
from threading import RLock
from typing import Any

import pytest
from drawdown.errors import PreconditionError

from tests.payments.stripe_stub import StripeStub

from .test_invoices import usd
from .test_refunds import available, hundred, noted, use
from .test_refused_refunds import as_it_is, at_stripe, given_back
from .waiting import wait_until


def lose_answers(stub: StripeStub) -> list[str]:
    """Refunds are kept by their key, as at Stripe, and the first answer is lost; the amounts asked for."""
    plain, book, asked = stub.post, dict[str, Any](), list[str]()

    def post(path: str, form: dict[str, str], key: str) -> tuple[int, dict[str, Any]]:
        if path != "/v1/refunds":
            return plain(path, form, key)
        asked.append(form["amount"])
        if key in book and book[key][0] != form["amount"]:
            return 400, {"error": {"type": "idempotency_error", "message": "other parameters, same key"}}
        is_first = key not in book
        if is_first:
            book[key] = (form["amount"], plain(path, form, key))
        lost = (500, {"error": {"type": "api_error", "message": "lost"}})
        return lost if len(asked) <= 3 else book[key][1]

    stub.post = post  # type: ignore[method-assign]
    return asked


def test_a_refund_whose_answer_was_lost_asks_for_the_same_money_again(tmp_path: Path) -> None:
    """Stripe has given 70 dollars; what counts as unspent of the purchase is more when it is asked again."""
    with at_stripe(tmp_path) as (db, stub):
        purchase = hundred(db, "acme", as_it_is)
        use(db, "acme", "30")
        asked = lose_answers(stub)
        assert db.refund_purchase(purchase).state == "granted"
        its = {"source": "purchase", "source_reference": purchase}
        db.create_grant("acme", "credits", "10", grant_id="note:of-a-caller:rest", **its)
        wait_until(lambda: db.purchase(purchase).state == "refunded", 20)
        assert (set(asked), db.purchase(purchase).refunded) == ({"7000"}, usd(70))
        assert given_back(stub) == [7_000]


@pytest.mark.parametrize("grant_id", ["", "aside"])
def test_a_credit_note_over_a_purchase_whose_refund_waits_is_refused(tmp_path: Path, grant_id: str) -> None:
    """It would take its part of money and credits that the provider gives back meanwhile."""
    with at_stripe(tmp_path) as (db, stub):
        purchase = hundred(db, "acme", as_it_is)
        use(db, "acme", "30")
        stub.fail_next = [500] * 9
        assert db.refund_purchase(purchase).state == "granted"
        (aside,) = [each.grant_id for each in db.grants("acme") if each.state == "pending"]
        with pytest.raises(PreconditionError, match="waits for its answer") as raised:
            noted(db, purchase, "40", aside if grant_id else "")
        assert raised.value.reason == "REFUND_WAITS"
        wait_until(lambda: db.purchase(purchase).state == "refunded")
        assert (db.purchase(purchase).refunded, given_back(stub)) == (usd(70), [7_000])
        noted(db, purchase, "30")
        assert [each.state for each in db.grants("acme")] == ["voided", "voided"]


def test_an_account_is_not_closed_with_a_payout_while_a_refund_waits(tmp_path: Path) -> None:
    """Refused at last, the refund gives nothing: the payout does, where it is asked for after that."""
    with at_stripe(tmp_path) as (db, stub):
        purchase = hundred(db, "acme", as_it_is)
        use(db, "acme", "30")
        (intent,) = stub.intents.values()
        intent["refunded"] = 5_000
        stub.fail_next = [500] * 3
        assert db.refund_purchase(purchase).state == "granted"
        with pytest.raises(PreconditionError, match="waits for its answer") as raised:
            db.close_account("acme", remainder="pay_out", confirm=True)
        assert raised.value.reason == "REFUND_WAITS"
        wait_until(lambda: db.purchase(purchase).refund_refusal)
        wait_until(lambda: available(db, "acme") == 70)
        db.close_account("acme", remainder="pay_out", confirm=True)
        wait_until(lambda: db.account_closing("acme").state == "closed")
        assert db.account_closing("acme").payouts == (usd(70),)


@pytest.mark.parametrize("held", ["100", "40"])
def test_a_refund_of_credits_that_a_reservation_holds_is_refused(tmp_path: Path, held: str) -> None:
    """They would be void when it is released, and nothing paid for them."""
    with at_stripe(tmp_path) as (db, stub):
        purchase = hundred(db, "acme", as_it_is)
        db.reserve("acme", credit_type="credits", credits=held, reservation_id="r")
        with pytest.raises(PreconditionError, match=f"hold {held} credits") as raised:
            db.refund_purchase(purchase)
        assert raised.value.reason == "CREDITS_HELD"
        db.release("acme", "r")
        assert (available(db, "acme"), given_back(stub)) == (100, [0])
        assert db.refund_purchase(purchase).refunded == usd(100)


def test_a_refund_waits_for_a_reservation_that_was_quicker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It began between the call and the job, and ends with nothing used."""
    with at_stripe(tmp_path) as (db, stub):
        purchase = hundred(db, "acme", as_it_is)
        deliver = db._control_plane().delivery.deliver
        # The scheduler delivers too: it may not go on to the job before the reservation is there.
        reserving, began = RLock(), list[str]()

        def reserve_first() -> None:
            deliver()
            with reserving:
                if not began and db._control_plane().stats()["jobs"]["due"]:
                    began.append("r")
                    db.reserve("acme", credit_type="credits", credits="40", reservation_id="r")

        monkeypatch.setattr(db._control_plane().delivery, "deliver", reserve_first)
        assert db.refund_purchase(purchase).state == "granted"
        assert (began, available(db, "acme"), given_back(stub)) == (["r"], 60, [0])
        db.release("acme", "r")
        wait_until(lambda: db.purchase(purchase).state == "refunded")
        assert (db.purchase(purchase).refunded, available(db, "acme")) == (usd(100), 0)


@pytest.mark.parametrize("is_refused_before", [False, True])
def test_a_credit_note_withdraws_the_same_after_a_refund_that_was_refused(
    tmp_path: Path, is_refused_before: bool
) -> None:
    """Forty of a hundred dollars are forty of the hundred credits, though thirty are spent."""
    with at_stripe(tmp_path) as (db, stub):
        purchase = hundred(db, "acme", as_it_is)
        use(db, "acme", "30")
        if is_refused_before:
            (intent,) = stub.intents.values()
            intent["refunded"] = 5_000
            with pytest.raises(PreconditionError, match="greater than charge"):
                db.refund_purchase(purchase)
        (stands,) = [each.grant_id for each in db.grants("acme") if each.state == "active"]
        noted(db, purchase, "40", stands)
        assert available(db, "acme") == 30
