"""An invoice that has its number never changes, whoever moves, marries or is erased afterwards."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import drawdown
import pytest
from drawdown.client.interface import Database

from .conftest import SMALL, START, prepare
from .plans import published

OLD = {"name": "Ada Quillfeather", "address": ["1 Old Lane", "Oldtown"], "tax_id": "EU-OLD-1"}
NEW = {"name": "Ada Brightwater", "address": ["2 New Road", "Newtown"], "time_zone": "Asia/Tokyo"}
CARD = {"payment_method": "test_ok"}


def shop(folder: Path, **settings: object) -> Database:
    return drawdown.open(folder, **{**SMALL, "seller_name": "First Ltd", **settings})


def test_a_final_invoice_is_printed_as_it_was_issued(tmp_path: Path) -> None:
    """Buyer, seller and dates are those of its issue, to the byte; the next has the new ones."""
    with shop(tmp_path / "data") as db:
        prepare(db)
        db.put_customer("c", **OLD, **CARD)
        db.create_account("acme", customer_id="c", test_clock=START)
        published(db, "plan")
        db.subscribe("acme", "plan", subscription_id="s")
        (first,) = db.invoices("acme")
        assert first.buyer is not None and first.seller is not None
        assert (first.buyer.name, first.buyer.address) == (OLD["name"], tuple(OLD["address"]))
        assert (first.seller.name, first.time_zone) == ("First Ltd", "UTC")
        page = db.render_invoice(first.invoice_id)
        assert b"Ada Quillfeather" in page and b"EU-OLD-1" in page
        db.put_customer("c", **NEW, **CARD)
        assert db.render_invoice(first.invoice_id) == page
    with shop(tmp_path / "data", seller_name="Second Ltd") as db:
        assert db.render_invoice(first.invoice_id) == page
        note = db.create_credit_note(
            "n", first.invoice_id, first.lines[0].line_id, amount=first.lines[0].amount
        )
        assert note.buyer is not None and note.buyer.name == "Ada Brightwater"
        db.advance_clock("acme", START + timedelta(days=40))
        second = db.render_invoice(db.invoices("acme")[-1].invoice_id)
        assert b"Second Ltd" in second and b"Ada Brightwater" in second and b"Quillfeather" not in second


def test_erasing_takes_former_names_off_issued_invoices_too(tmp_path: Path) -> None:
    """The customer's row has other texts by then; figures and numbers stay."""
    with shop(tmp_path / "data") as db:
        prepare(db)
        db.put_customer("c", **OLD, **CARD)
        db.create_account("acme", customer_id="c")
        published(db, "plan")
        db.subscribe("acme", "plan", subscription_id="s")
        (before,) = db.invoices("acme")
        db.put_customer("c", **NEW, **CARD)
        db.close_account("acme", confirm=True)
        db.erase_customer("c", confirm=True)
        (after,) = [each for each in db.invoices("acme") if each.invoice_id == before.invoice_id]
        assert (after.number, after.due, after.seller) == (before.number, before.due, before.seller)
        assert after.buyer is not None and (after.buyer.name, after.buyer.address) == ("erased", ())
        page = db.render_invoice(before.invoice_id)
        assert b"Quillfeather" not in page and b"Old Lane" not in page
    with sqlite3.connect(tmp_path / "data" / "control.sqlite3") as sql:
        bodies = "".join(body for (body,) in sql.execute("select body from invoice"))
    assert "Quillfeather" not in bodies and "Old Lane" not in bodies


@pytest.mark.parametrize("form", ["html", "pdf"])
def test_a_draft_is_printed_with_the_customer_of_now(tmp_path: Path, form: str) -> None:
    with shop(tmp_path / "data") as db:
        prepare(db)
        db.put_customer("c", **OLD, **CARD)
        db.create_account("acme", customer_id="c", test_clock=START)
        published(
            db,
            "plan",
            at_zero={"kind": "overage"},
            overage={"prices": [{"currency": "USD", "model": "per_unit", "amount": "1"}]},
        )
        db.subscribe("acme", "plan", subscription_id="s")
        db.advance_clock("acme", START + timedelta(days=28))
        draft = db.invoices("acme")[-1]
        assert (draft.state, draft.buyer) == ("draft", None)
        before = db.render_invoice(draft.invoice_id, form)
        db.put_customer("c", **{**NEW, "time_zone": "UTC"}, **CARD)
        assert db.render_invoice(draft.invoice_id, form) != before


def test_an_operator_lists_what_is_open(tmp_path: Path) -> None:
    """Of all accounts, in one state, page by page; a state that does not exist is named."""
    with shop(tmp_path / "data") as db:
        prepare(db)
        published(db, "plan", release="immediate")
        for number, card in enumerate(("test_ok", "test_pending", "test_pending")):
            db.put_customer(f"c{number}", payment_method=card)
            db.create_account(f"a{number}", customer_id=f"c{number}")
            db.subscribe(f"a{number}", "plan", subscription_id=f"s{number}")
        assert [each.account for each in db.invoices()] == ["a0", "a1", "a2"]
        open_ones = db.invoices(state="finalized")
        assert [each.account for each in open_ones] == ["a1", "a2"]
        first = db.invoices(state="finalized", limit=1)
        assert db.invoices(state="finalized", after=first[0].invoice_id) == open_ones[1:]
        assert db.invoices("a0", state="finalized") == ()
        with pytest.raises(drawdown.InvalidRequestError) as raised:
            db.invoices(state="open")
        assert raised.value.field == "state"
