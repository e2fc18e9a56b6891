"""Two billing periods of one subscription whose payments both fail, after a time without a word of them."""

from __future__ import annotations

from pathlib import Path

from drawdown.embedded import EmbeddedDatabase
from drawdown.payments import ChargeState

from .test_past_due import DAY, NEXT_EDGE, as_is, available, declining, own, provider_of


def two_declined(db: EmbeddedDatabase) -> list[str]:
    """The invoices of two periods whose payments fail after the end of the first of them."""
    declining(db, "acme", as_is, "test_pending", fee="100")
    db.advance_clock("acme", NEXT_EDGE + DAY)
    owed = [each.invoice_id for each in db.invoices("acme") if each.state == "finalized"]
    assert (db.subscription("sub").state, len(owed)) == ("active", 2)
    provider = provider_of(db)
    for charge in provider.charges():
        if charge.state is ChargeState.PENDING:
            body, headers = provider.finish(charge.key, ChargeState.FAILED)
            db.provider_callback(body.decode(), headers)
    return owed


def test_of_two_periods_whose_payments_fail_at_last_both_are_paid_before_it_is_settled(
    tmp_path: Path, db_url: str
) -> None:
    """The provider's word came over two ends of periods late, and was no for either."""
    with own(tmp_path, db_url, after_retries="stay") as db:
        owed = two_declined(db)
        for invoice_id in owed:
            behind = db.subscription("sub")
            assert (behind.state, behind.unpaid_invoice_id) == ("past_due", invoice_id)
            db.mark_invoice_paid(invoice_id)
        assert db.subscription("sub").state == "active"


def test_of_two_periods_that_nobody_pays_for_neither_brings_credits_once_it_has_ended(
    tmp_path: Path, db_url: str
) -> None:
    """Both payments fail late; an operator gives the first up, and the second is paid by hand after all."""
    with own(tmp_path, db_url) as db:
        declining(db, "acme", as_is, "test_pending", fee="100")
        db.advance_clock("acme", NEXT_EDGE + DAY)
        first, second = (each.invoice_id for each in db.invoices("acme") if each.state == "finalized")
        for charge in provider_of(db).charges():
            if charge.state is ChargeState.PENDING:
                body, headers = provider_of(db).finish(charge.key, ChargeState.FAILED)
                db.provider_callback(body.decode(), headers)
        db.close_invoice(first, "uncollectible")
        assert db.subscription("sub").state == "ended"
        for invoice_id in (first, second):
            db.mark_invoice_paid(invoice_id)
        assert sorted(each.state for each in db.grants("acme")) == ["expired", "voided", "voided"]
        assert available(db, "acme") == 0


def test_of_two_failed_periods_one_that_was_given_up_ends_it_when_the_other_is_paid(
    tmp_path: Path, db_url: str
) -> None:
    """Ended at once, as it would have been by giving up the one that it waited for."""
    with own(tmp_path, db_url, after_retries="cancel") as db:
        older, newer = two_declined(db)
        db.close_invoice(newer, "uncollectible")
        assert db.subscription("sub").state == "past_due"
        db.mark_invoice_paid(older)
        ended = db.subscription("sub")
        assert (ended.state, ended.ended_at) == ("ended", NEXT_EDGE + DAY)
        assert db.invoice(older).state == "paid"
