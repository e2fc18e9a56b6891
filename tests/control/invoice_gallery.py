"""An invoice of each kind, made through the public door, for looking at.

``python -m tests.control.invoice_gallery FOLDER``

Writes each as HTML, PDF and JSON. ``test_invoice_gallery.py`` checks the figures of the same ones.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import drawdown
import msgspec
from drawdown.billing.invoice import Invoice
from drawdown.client.interface import Database
from drawdown.model.money import money_from

from .conftest import SMALL, START, prepare
from .plans import published

FEBRUARY_END = datetime(2026, 2, 28, tzinfo=UTC)
MARCH_END = datetime(2026, 3, 31, tzinfo=UTC)
HALFWAY = START + timedelta(days=14)
HOUR = timedelta(hours=1, minutes=30)
HALF_AN_HOUR = timedelta(minutes=30)
SETTINGS: dict[str, Any] = {
    **SMALL,
    "seller_name": "Meridian Compute Ltd",
    "seller_address": "3 Harbour Row; Dublin 2; D02 X285; Ireland",
    "seller_note": "VAT IE1234567X · Registered in Dublin, No 000000 · IBAN IE00 BANK 0000 0000 0000 00",
    "tax_rates": "DE 19 VAT; CH 8.1 MWST; JP 10 消費税",
    "tax_home": "IE",
}
BUYERS: dict[str, dict[str, Any]] = {
    "EUR": {
        "name": "Donaudampfschifffahrtsgesellschaft Verwaltungs- und Beteiligungs-GmbH & Co. KG",
        "address": ["z. Hd. Buchhaltung, Frau Dr. Müller-Lüdenscheidt", "Lange Straße 12–14", "94032 Passau"],
        "email": "rechnungen@donaudampf.example",
        "country": "DE",
        "time_zone": "Europe/Berlin",
    },
    "USD": {"name": "Northwind, Inc.", "address": ["1 Main St", "Springfield"], "country": "US"},
    "JPY": {
        "name": "株式会社サンプル",
        "address": ["東京都千代田区1-1"],
        "country": "JP",
        "time_zone": "Asia/Tokyo",
    },
    "KWD": {"name": "Gulf Data W.L.L.", "address": ["Kuwait City"], "country": "KW"},
}
FEES = {"EUR": "1290.00", "USD": "20", "JPY": "12000", "KWD": "12.500"}
OVERAGE = {"EUR": "0.125", "USD": "0.10", "JPY": "3", "KWD": "0.005"}
MINIMUM = {"EUR": "2000", "USD": "100", "JPY": "50000", "KWD": "40"}


def prices(amounts: dict[str, str], **more: Any) -> list[dict[str, Any]]:
    return [{"currency": currency, "amount": amount, **more} for currency, amount in amounts.items()]


def subscriber(db: Database, account: str, currency: str, plan: str, **settings: Any) -> str:
    """An account on a clock of its own with such a plan; answers the subscription."""
    db.put_customer(f"customer-{account}", currency=currency, payment_method="test_ok", **BUYERS[currency])
    db.create_account(account, customer_id=f"customer-{account}", test_clock=START)
    settings = {"base_fee": prices(FEES), **settings}
    published(db, plan, name=plan.replace("-", " ").title(), **settings)
    db.subscribe(account, plan, subscription_id=f"sub-{account}")
    return f"sub-{account}"


def with_overage(**settings: Any) -> dict[str, Any]:
    overage = {"prices": prices(OVERAGE, model="per_unit")}
    return {"credits": "100", "overage": overage, "at_zero": {"kind": "overage"}, **settings}


def newest(db: Database, account: str) -> Invoice:
    return db.invoices(account)[-1]


def recurring(db: Database, currency: str) -> Invoice:
    """Fee in advance, overage behind, two invoice credits, tax where there is one."""
    account = f"recurring-{currency.lower()}"
    subscriber(db, account, currency, f"enterprise-platform-{currency.lower()}", **with_overage())
    db.record(account, credit_type="credits", credits="137.5", event_id="use")
    amounts = {"EUR": "50", "USD": "5", "JPY": "500", "KWD": "0.750"}
    for name, reason in (("Welcome", "referral of a customer with a rather long name"), ("Goodwill", "")):
        db.create_invoice_credit(
            account,
            f"{account}-{name}",
            amount=amounts[currency],
            currency=currency,
            name=name,
            reason=reason,
        )
    db.advance_clock(account, FEBRUARY_END + HOUR)
    return newest(db, account)


def upgraded(db: Database) -> Invoice:
    subscription = subscriber(db, "upgraded", "EUR", "small", credits="100", proration="both")
    large = {**FEES, "EUR": "4990.00"}
    published(db, "large", name="Large", base_fee=prices(large), credits="500", proration="both")
    db.advance_clock("upgraded", HALFWAY)
    db.change_plan(subscription, "large", change_id="up", policy="prorate")
    return newest(db, "upgraded")


def noted(db: Database) -> Invoice:
    subscriber(db, "noted", "EUR", "noted-plan", credits="100")
    invoice = newest(db, "noted")
    return db.create_credit_note(
        "note-1",
        invoice.invoice_id,
        invoice.lines[0].line_id,
        amount=money_from("333.33", "EUR"),
        reason="Ten days without service in February, as agreed on the phone.",
    )


def free(db: Database) -> Invoice:
    subscriber(db, "free", "EUR", "free-plan", credits="10", type="free", base_fee=[])
    return newest(db, "free")


def credited_to_zero(db: Database) -> Invoice:
    db.put_customer("customer-zero", currency="EUR", payment_method="test_ok", **BUYERS["EUR"])
    db.create_account("zero", customer_id="customer-zero", test_clock=START)
    db.create_invoice_credit("zero", "zero-all", amount="5000", currency="EUR", name="Launch partner")
    published(db, "zero-plan", name="Starter", base_fee=prices(FEES), credits="100")
    db.subscribe("zero", "zero-plan", subscription_id="sub-zero")
    return newest(db, "zero")


def minimum(db: Database) -> Invoice:
    floor = with_overage(minimum_spend=prices(MINIMUM))
    subscriber(db, "minimum", "EUR", "committed", **floor)
    db.record("minimum", credit_type="credits", credits="110", event_id="use")
    db.advance_clock("minimum", FEBRUARY_END + HOUR)
    return newest(db, "minimum")


def once(db: Database) -> Invoice:
    subscriber(db, "once", "USD", "hackathon-bundle", credits="1000", billing_model="one_off")
    return newest(db, "once")


def many_lines(db: Database) -> Invoice:
    """Sixty packs billed later: pages."""
    subscriber(db, "many", "EUR", "many-plan", credits="100")
    for number in range(60):
        db.create_pack(
            f"many-{number}",
            name=f"Render minutes, region {number + 1} of the European and North African production network",
            amount="10",
            prices=prices({"EUR": f"{number + 1}.{number:02}"}),
        )
        db.buy_pack("many", f"many-{number}", purchase_id=f"many-{number}", bill_later=True)
    db.advance_clock("many", FEBRUARY_END + HOUR)
    return newest(db, "many")


def draft(db: Database) -> Invoice:
    subscriber(db, "draft", "USD", "draft-plan", **with_overage())
    db.record("draft", credit_type="credits", credits="150", event_id="use")
    db.advance_clock("draft", FEBRUARY_END)
    return newest(db, "draft")


def late(db: Database) -> Invoice:
    """Forty credits noted half an hour after the period joined it; an adjustment of the month before."""
    subscriber(db, "late", "EUR", "late-plan", **with_overage())
    db.advance_clock("late", FEBRUARY_END + HOUR)
    db.record("late", credit_type="credits", credits="100", event_id="march")
    db.record("late", credit_type="credits", credits="16", event_id="after", time=FEBRUARY_END - HOUR)
    # In Passau it is summer time by then: the period ended at 23:00 UTC.
    db.advance_clock("late", MARCH_END - HALF_AN_HOUR)
    db.record("late", credit_type="credits", credits="100", event_id="april")
    db.record("late", credit_type="credits", credits="40", event_id="within", time=MARCH_END - HOUR)
    db.advance_clock("late", MARCH_END + HOUR)
    return newest(db, "late")


def unpaid(db: Database) -> Invoice:
    db.put_customer("customer-unpaid", currency="USD", payment_method="test_decline", **BUYERS["USD"])
    db.create_account("unpaid", customer_id="customer-unpaid", test_clock=START)
    published(db, "unpaid-plan", name="Team", base_fee=prices(FEES), credits="100", release="immediate")
    db.subscribe("unpaid", "unpaid-plan", subscription_id="sub-unpaid")
    return newest(db, "unpaid")


def bought(db: Database) -> Invoice:
    """A pack paid at once: an invoice of its own, with money off its class and tax."""
    db.put_customer("customer-bought", currency="EUR", payment_method="test_ok", **BUYERS["EUR"])
    db.create_account("bought", customer_id="customer-bought", test_clock=START)
    db.create_invoice_credit(
        "bought", "bought-off", amount="15", currency="EUR", name="Spring", scope={"classes": ["add_ons"]}
    )
    db.create_pack("bought-pack", name="Render pack", amount="500", prices=prices({"EUR": "99.00"}))
    db.buy_pack("bought", "bought-pack", purchase_id="bought-1", quantity=2)
    return newest(db, "bought")


def refunded(db: Database) -> Invoice:
    """Its credit note, a part of it used."""
    bought(db)
    db.record("bought", credit_type="credits", credits="250", event_id="use")
    db.refund_purchase("bought-1")
    return newest(db, "bought")


def gallery(db: Database) -> Iterator[tuple[str, Invoice]]:
    """Each kind by its name."""
    for currency in FEES:
        yield f"recurring-{currency.lower()}", recurring(db, currency)
    for make in (
        upgraded,
        noted,
        free,
        credited_to_zero,
        minimum,
        once,
        many_lines,
        draft,
        late,
        unpaid,
        bought,
        refunded,
    ):
        yield make.__name__.replace("_", "-"), make(db)


LOCALES = {"recurring-eur": "de_DE", "recurring-jpy": "ja"}


def main(folder: Path) -> None:
    """Write all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    with drawdown.open(folder / "data", **SETTINGS) as db:
        prepare(db)
        for name, invoice in gallery(db):
            for locale in ("en", LOCALES.get(name)):
                if locale is not None:
                    stem = folder / (name if locale == "en" else f"{name}-{locale}")
                    for form in ("html", "pdf"):
                        page = db.render_invoice(invoice.invoice_id, form, locale=locale)
                        stem.with_suffix(f".{form}").write_bytes(page)
            (folder / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(invoice)))
            print(f"{name}: {invoice.number or invoice.state} {invoice.due}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
