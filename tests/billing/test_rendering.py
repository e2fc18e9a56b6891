"""The page of an invoice: the same figures in HTML and PDF, and texts are never markup."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import drawdown.billing
import msgspec
import pytest
from drawdown.billing.invoice import InvoiceLine
from drawdown.billing.invoice_credit import InvoiceCredit, apply_credits
from drawdown.billing.page import InvoicePage, PageInput, Party, page_of
from drawdown.billing.page_translations import FRENCH, GERMAN, SPANISH, words_for
from drawdown.billing.page_words import ENGLISH, PageWords
from drawdown.billing.rendering import html_of, pdf_of
from drawdown.billing.totals import NoTax, totals_of
from drawdown.errors import InvalidRequestError
from drawdown.model.money import Money, money_from
from drawdown.subscriptions.calendar import Period

MARCH = Period(start=datetime(2026, 3, 1, tzinfo=UTC), end=datetime(2026, 4, 1, tzinfo=UTC))
NOTHING = totals_of([], [], currency="EUR", rule=NoTax())


def page(**changes: Any) -> InvoicePage:
    lines = changes.pop(
        "lines",
        [
            InvoiceLine(
                line_id="1",
                kind="base_fee",
                description="Pro <plan> & #more",
                amount=money_from("1250", "EUR"),
                period=MARCH,
            ),
            InvoiceLine(
                line_id="2",
                kind="overage",
                description="Overage of output tokens",
                amount=money_from("30.5", "EUR"),
                quantity=Decimal("12345.5"),
            ),
        ],
    )
    credits = [
        InvoiceCredit(
            credit_id="c",
            account="acme",
            name="Welcome",
            reason="referral",
            amount=money_from("50", "EUR"),
            created_at=MARCH.start,
        )
    ]
    currency = lines[0].amount.currency if lines else "EUR"
    applications = apply_credits(lines, credits, MARCH.start)
    given = {
        "kind": "finalized",
        "number": "INV-000007",
        "account": "acme",
        "issued_at": MARCH.end,
        "period": MARCH,
        "lines": lines,
        "applications": applications,
        "credits": credits,
        "totals": totals_of(lines, applications, currency=currency, rule=NoTax()),
        "seller": Party(name="Seller Ltd", address=("1 Road", "Town"), note="IBAN $x$ *not bold*"),
        "buyer": Party(name="Acme & Sons", tax_id="DE1"),
        **changes,
    }
    return page_of(PageInput(**given))


@pytest.mark.behaviour("S1-26")
def test_gross_credit_and_net_stand_on_the_page() -> None:
    found = page()
    assert [line.gross for line in found.lines] == ["€1,250.00", "€30.50"]
    assert found.lines[0].credits == (("Welcome (referral)", "-€50.00"),)
    assert found.lines[0].net == "€1,200.00"
    assert found.lines[1].quantity == "12,345.5"
    assert [(each.label, each.amount) for each in found.sums] == [
        ("Gross", "€1,280.50"),
        ("Credits applied", "-€50.00"),
        ("Subtotal", "€1,230.50"),
        ("Total", "€1,230.50"),
        ("Due", "€1,230.50"),
    ]
    assert ("Period", "March 1, 2026 – March 31, 2026") in found.facts


def test_html_shows_every_figure_and_escapes_every_text() -> None:
    html = html_of(page())
    for text in ("INV-000007", "€1,250.00", "-€50.00", "€1,230.50", "Acme &amp; Sons", "12,345.5"):
        assert text in html
    assert "Pro &lt;plan&gt; &amp; #more" in html and "<plan>" not in html
    assert "<script" not in html and "http" not in html.replace("<!doctype html>", "")
    assert "Nothing to pay for" in html_of(
        page(lines=[], totals=totals_of([], [], currency="EUR", rule=NoTax()))
    )


def test_every_word_of_the_page_stands_in_one_place() -> None:
    """With other words none of the English ones is left, in neither form nor in their templates."""
    other = PageWords(**{each: f"Wort-{each}" for each in PageWords.__struct_fields__})
    words = [getattr(ENGLISH, each) for each in PageWords.__struct_fields__]
    kinds: list[dict[str, Any]] = [
        {"kind": kind, "paid_at": paid_at, "due_at": MARCH.end, "corrects": "I-1"}
        for kind, paid_at in (("draft", None), ("void", None), ("finalized", None), ("paid", MARCH.end))
    ]
    for changes in (*kinds, {"kind": "credit_note"}, {"lines": [], "totals": NOTHING}):
        shown = html_of(page(**changes, words=other))
        texts = re.findall(r">\s*([^<>]+?)\s*<", shown.partition("<body>")[2])
        assert not [text for text in texts if text in words], texts
        assert "Wort-tax_id DE1" in shown
    for name in ("invoice.html", "invoice.typ"):
        template = Path(drawdown.billing.__file__).with_name("templates").joinpath(name).read_text("utf-8")
        assert not [word for word in words if f">{word}<" in template or f"[{word}]" in template]
        assert not [word for word in words if f'"{word}' in template]


def test_pdf_is_one_and_takes_texts_as_they_are() -> None:
    pdf = pdf_of(page())
    assert pdf.startswith(b"%PDF-") and len(pdf) > 5_000
    many = [
        InvoiceLine(line_id=str(n), kind="pack", description=f"Pack {n}", amount=Money(n, "EUR"))
        for n in range(1, 120)
    ]
    long = pdf_of(page(lines=many, totals=totals_of(many, [], currency="EUR", rule=NoTax())))
    assert long.count(b"/Type /Page\n") + long.count(b"/Type/Page/") >= 3 or len(long) > len(pdf)


@pytest.mark.parametrize(
    ("currency", "locale", "shown"),
    [("JPY", "en", "¥1,250"), ("KWD", "en", "KWD\xa01,250.000"), ("EUR", "de_DE", "1.250,00\xa0€")],
)
def test_amounts_in_the_currencys_and_readers_way(currency: str, locale: str, shown: str) -> None:
    lines = [InvoiceLine(line_id="1", kind="pack", description="x", amount=money_from("1250", currency))]
    totals = totals_of(lines, [], currency=currency, rule=NoTax())
    found = page(lines=lines, totals=totals, applications=(), locale=locale)
    assert found.lines[0].gross == shown


def test_states_and_unknown_locales() -> None:
    assert page(kind="draft", number="").title == "Draft invoice"
    paid = page(paid_at=MARCH.end)
    assert paid.sums[-1].label == "Paid" and ("Paid", "April 1, 2026") in paid.facts
    assert msgspec.json.decode(msgspec.json.encode(paid), type=InvoicePage) == paid
    with pytest.raises(InvalidRequestError) as raised:
        page(locale="xx_nowhere")
    assert raised.value.field == "locale"


def test_the_words_are_those_of_the_readers_language() -> None:
    """Every word of a translation is one: none was forgotten, and other languages read English."""
    for locale, words, title in (
        ("de_CH", GERMAN, "Rechnung"),
        ("fr", FRENCH, "Facture"),
        ("es-MX", SPANISH, "Factura"),
    ):
        assert words_for(locale) is words
        assert f"<h1>{title}</h1>" in html_of(page(locale=locale, words=words)).replace("\n", "")
        # What is written alike in both.
        alike = {"date": "Date", "total": "Total", "subtotal": "Subtotal"}
        for each in PageWords.__struct_fields__:
            same = getattr(words, each) == getattr(ENGLISH, each)
            assert not same or alike.get(each) == getattr(words, each), (locale, each)
    assert words_for("ja_JP") is ENGLISH
