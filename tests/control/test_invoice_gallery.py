"""An invoice of each kind: its figures to the unit, and both pages of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import drawdown
import pytest
from drawdown.billing.invoice import Invoice
from drawdown.client.interface import Database
from drawdown.errors import ConfigError, InvalidRequestError
from drawdown.model.money import money_from, total

from .conftest import SMALL, prepare
from .invoice_gallery import SETTINGS, gallery

# What a person works out with pencil and paper: lines, credits off, tax, due.
EXPECTED = {
    # 37.5 credits at 0.125; 19 % of 1194.69.
    "recurring-eur": ({"base_fee": "1290.00", "overage": "4.69"}, "100.00", "226.99", "1421.68"),
    "recurring-usd": ({"base_fee": "20.00", "overage": "3.75"}, "10.00", "0.00", "13.75"),
    # 112.5 yen is half-even 112; 10 % of 11112.
    "recurring-jpy": ({"base_fee": "12000", "overage": "112"}, "1000", "1111", "12223"),
    "recurring-kwd": ({"base_fee": "12.500", "overage": "0.188"}, "1.500", "0.000", "11.188"),
    # Half of 28 days of 4990 - 1290.
    "upgraded": ({"proration": "1850.00"}, "0.00", "351.50", "2201.50"),
    "noted": ({"adjustment": "-333.33"}, "0.00", "-63.33", "0.00"),
    "free": ({}, "0.00", "0.00", "0.00"),
    "credited-to-zero": ({"base_fee": "1290.00"}, "1290.00", "0.00", "0.00"),
    # 10 credits past zero at 0.125, and up to 2000.
    "minimum": (
        {"base_fee": "1290.00", "overage": "1.25", "minimum_spend": "708.75"}, "0.00", "380.00", "2380.00"
    ),
    "once": ({"base_fee": "20.00"}, "0.00", "0.00", "20.00"),
    # 1.00 + 2.01 + … + 60.59.
    "many-lines": ({"base_fee": "1290.00", "pack": "1847.70"}, "0.00", "596.16", "3733.86"),
    "draft": ({"base_fee": "20.00", "overage": "5.00"}, "0.00", "0.00", "25.00"),
    # 40 at 0.125 inside the grace of March, 16 of February behind its own.
    "late": ({"base_fee": "1290.00", "overage": "5.00", "adjustment": "2.00"}, "0.00", "246.43", "1543.43"),
    "unpaid": ({"base_fee": "20.00"}, "0.00", "0.00", "20.00"),
    # 19 % of 183.
    "bought": ({"pack": "198.00"}, "15.00", "34.77", "217.77"),
    # Three quarters of 217.77 are 163.33, of which 26.08 are tax.
    "refunded": ({"adjustment": "-137.25"}, "0.00", "-26.08", "0.00"),
}  # fmt: skip
SHOWN = {
    "recurring-eur": ("€1,290.00", "-€50.00", "VAT 19 %", "€226.99", "€1,421.68", "Co. KG"),
    "recurring-jpy": ("¥12,000", "消費税 10 %", "¥12,223", "株式会社サンプル"),
    "recurring-kwd": ("KWD\xa011.188",),
    "upgraded": ("Change from Small to Large", "€2,201.50"),
    "noted": ("Credit note", "Corrects invoice", "-€396.66", "as agreed on the phone"),
    "credited-to-zero": ("Launch partner", "-€1,290.00", "€0.00"),
    "many-lines": ("Render minutes, region 60 of the European", "€3,733.86"),
    "draft": ("Draft invoice", "Usage joins until", "Paid in advance", "-$20.00", "$5.00"),
    "late": ("Overage of credits, noted after its invoice", "Jan 31, 2026", "€1,543.43"),
    "unpaid": ("Due", "$20.00"),
    "bought": ("Render pack, 1000 credits", "Spring", "-€15.00", "€217.77"),
    "refunded": ("Credit note", "Corrects invoice", "-€163.33", "Refund of what is unspent"),
}


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with drawdown.open(tmp_path_factory.mktemp("gallery") / "data", **SETTINGS) as opened:
        prepare(opened)
        yield opened


@pytest.fixture(scope="module")
def kinds(db: Database) -> dict[str, Invoice]:
    return dict(gallery(db))


def test_figures_of_each_kind(kinds: dict[str, Invoice]) -> None:
    assert kinds.keys() == EXPECTED.keys()
    for name, invoice in kinds.items():
        by_kind: dict[str, list[str]] = {}
        for line in invoice.lines:
            by_kind.setdefault(line.kind, []).append(str(line.amount.decimal()))
        sums = {
            kind: str(
                total([money_from(each, invoice.currency) for each in amounts], invoice.currency).decimal()
            )
            for kind, amounts in by_kind.items()
        }
        assert invoice.totals is not None, name
        found = (
            sums,
            str(invoice.totals.credited.decimal()),
            str(invoice.totals.tax.decimal()),
            str(invoice.due.decimal()) if invoice.due is not None else None,
        )
        assert found == EXPECTED[name], name


@pytest.mark.parametrize("name", EXPECTED)
def test_both_pages_of_each_kind(db: Database, kinds: dict[str, Invoice], name: str) -> None:
    invoice = kinds[name]
    html = db.render_invoice(invoice.invoice_id).decode()
    for text in (*SHOWN.get(name, ()), invoice.number, "Meridian Compute Ltd"):
        assert text in html, text
    assert db.render_invoice(invoice.invoice_id, "pdf").startswith(b"%PDF-")


def test_a_credit_note_gives_back_the_tax_to_the_unit_and_no_promotional_money(db: Database) -> None:
    """In three parts 1190.00 come back with all of the tax on them; the 100.00 that were a present do not."""
    invoice = db.invoices("recurring-eur")[-1]
    fee = invoice.lines[0]
    assert fee.kind == "base_fee"
    with pytest.raises(InvalidRequestError) as raised:
        db.create_credit_note("gift", invoice.invoice_id, fee.line_id, amount=money_from("1190.01", "EUR"))
    assert raised.value.field == "amount"
    notes = [
        db.create_credit_note(f"part-{n}", invoice.invoice_id, fee.line_id, amount=money_from(amount, "EUR"))
        for n, amount in enumerate(("0.03", "1000.00", "189.97"))
    ]
    overage = invoice.lines[1]
    notes.append(db.create_credit_note("rest", invoice.invoice_id, overage.line_id, amount=overage.amount))
    returned = total([note.totals.total for note in notes if note.totals], "EUR")
    assert invoice.totals is not None
    assert (-returned).minor == invoice.totals.total.minor
    db.advance_clock("recurring-eur", invoice.created_at.replace(month=4, day=1))
    following = db.invoices("recurring-eur")[-1]
    assert following.totals is not None
    assert following.totals.balance_used == min(following.totals.total, invoice.totals.total)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tax_rates": "Germany 19 VAT"}, "tax_rates: 'Germany 19 VAT'"),
        ({"tax_rates": "DE nineteen VAT"}, "tax_rates"),
        ({"tax_rates": "DE 19"}, "tax_rates"),
        ({"tax_rates": "DE 19 VAT; DE 7 VAT"}, "once"),
        ({"tax_rates": "DE 19 VAT", "tax_home": "Eire"}, "tax_home"),
    ],
)
def test_wrong_tax_settings_are_named(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    with drawdown.open(tmp_path / "data", **SMALL, **settings) as db, pytest.raises(ConfigError) as raised:
        db.put_customer("c")
    assert said in str(raised.value)
