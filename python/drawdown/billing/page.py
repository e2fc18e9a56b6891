"""An invoice as a page: what stands where, already in the reader's words. HTML and PDF draw from this.

Figures are formatted here once, so that both forms say the same; the JSON of the invoice stays the
truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
from babel.core import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal, get_currency_symbol

from drawdown.billing.invoice import InvoiceLine
from drawdown.billing.invoice_credit import InvoiceCredit
from drawdown.billing.page_sums import CreditApplication, Totals
from drawdown.billing.page_words import ENGLISH, PageWords
from drawdown.errors import InvalidRequestError
from drawdown.model.currencies import decimals_of
from drawdown.model.money import Money, total
from drawdown.subscriptions.calendar import Period


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """Seller or buyer, as printed."""

    name: str
    address: tuple[str, ...] = ()
    email: str = ""
    tax_id: str = ""
    note: str = ""
    """Of the seller: bank account, register, whatever belongs at the foot."""


class PageLine(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table and the credits taken off it."""

    description: str
    detail: str
    quantity: str
    gross: str
    credits: tuple[tuple[str, str], ...]
    net: str


class PageSum(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the foot."""

    label: str
    amount: str
    strong: bool = False


class InvoicePage(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on the page, in order."""

    title: str
    number: str
    state: str
    language: str
    facts: tuple[tuple[str, str], ...]
    seller: Party
    buyer: Party
    lines: tuple[PageLine, ...]
    sums: tuple[PageSum, ...]
    note: str = ""
    words: PageWords = ENGLISH


class PageInput(msgspec.Struct, frozen=True, kw_only=True):
    """What a page is made of."""

    kind: str
    """The invoice's state, or ``credit_note``."""
    number: str
    account: str
    issued_at: datetime
    period: Period | None
    lines: Sequence[InvoiceLine]
    applications: Sequence[CreditApplication] = ()
    credits: Sequence[InvoiceCredit] = ()
    totals: Totals
    seller: Party
    buyer: Party
    due_at: datetime | None = None
    paid_at: datetime | None = None
    time_zone: str = "UTC"
    locale: str = "en"
    note: str = ""
    advance: Money | None = None
    """Paid before the invoice was final."""
    closes_at: datetime | None = None
    """Of a draft: until when late usage joins it."""
    corrects: str = ""
    """Number of the invoice that a credit note takes back from."""
    words: PageWords = ENGLISH


def page_of(given: PageInput) -> InvoicePage:
    """The page. Raises ``InvalidRequestError`` naming ``locale`` for one that is not known."""
    locale = _locale(given.locale)
    names = {each.credit_id: each for each in given.credits}
    return InvoicePage(
        title=given.words.title(given.kind),
        number=given.number,
        state=given.kind,
        language=locale.language,
        facts=tuple(_facts(given, locale)),
        seller=given.seller,
        buyer=given.buyer,
        lines=tuple(_line(each, given, names, locale) for each in given.lines),
        sums=tuple(_sums(given, locale)),
        note=given.note,
        words=given.words,
    )


def money_shown(money: Money, locale: Locale) -> str:
    """In the reader's way: ``€1,250.00``. The decimals are the currency's of ISO 4217."""
    digits = decimals_of(money.currency)
    symbol: str = get_currency_symbol(money.currency, locale)
    pattern = locale.currency_formats["standard"].pattern.split(";")[0].replace("0.00", _zeros(digits))
    if symbol[-1].isalpha():
        # Letters would run into the digits: KWD 1.500.
        pattern = pattern.replace("¤#", "¤\N{NO-BREAK SPACE}#")
    shown: str = format_currency(
        money.decimal(), money.currency, format=pattern, locale=locale, currency_digits=False
    )
    return shown


def _zeros(digits: int) -> str:
    return "0." + "0" * digits if digits else "0"


def _locale(name: str) -> Locale:
    try:
        return Locale.parse(name.replace("-", "_"))
    except (UnknownLocaleError, ValueError, TypeError):
        raise InvalidRequestError(
            f"locale: {name[:32]!r} is not known, write en or de_CH", field="locale"
        ) from None


def _facts(given: PageInput, locale: Locale) -> list[tuple[str, str]]:
    zone = ZoneInfo(given.time_zone)

    def day(instant: datetime) -> str:
        shown: str = format_date(instant.astimezone(zone).date(), format="long", locale=locale)
        return shown

    words = given.words
    facts = [
        (words.number, given.number or "–"),
        (words.date, day(given.issued_at)),
        (words.account, given.account),
    ]
    if given.corrects:
        facts.append((words.corrects, given.corrects))
    if given.period is not None:
        # A period ends where the next begins; people read its last day.
        last = given.period.end - timedelta(microseconds=1)
        facts.append((words.period, f"{day(given.period.start)} – {day(last)}"))
    if given.closes_at is not None:
        until = format_datetime(given.closes_at, "medium", tzinfo=zone, locale=locale)
        facts.append((words.closes_at, until))
    if given.paid_at is not None:
        facts.append((words.paid, day(given.paid_at)))
    elif given.due_at is not None:
        facts.append((words.due, day(given.due_at)))
    return facts


def _line(line: InvoiceLine, given: PageInput, names: dict[str, InvoiceCredit], locale: Locale) -> PageLine:
    applied = [each for each in given.applications if each.line_id == line.line_id]
    credited = total([each.amount for each in applied], line.amount.currency)
    return PageLine(
        description=line.description,
        detail=_detail(line, given, locale),
        quantity="" if line.quantity == 1 else _number(line.quantity, locale),
        gross=money_shown(line.amount, locale),
        credits=tuple(
            (_credit_name(names.get(each.credit_id), each), money_shown(-each.amount, locale))
            for each in applied
        ),
        net=money_shown(line.amount - credited, locale),
    )


def _detail(line: InvoiceLine, given: PageInput, locale: Locale) -> str:
    if line.period is None or line.period == given.period:
        return ""
    zone = ZoneInfo(given.time_zone)
    last = line.period.end - timedelta(microseconds=1)
    first_day, last_day = (
        format_date(each.astimezone(zone).date(), format="medium", locale=locale)
        for each in (line.period.start, last)
    )
    return f"{first_day} – {last_day}"


def _credit_name(credit: InvoiceCredit | None, application: CreditApplication) -> str:
    if credit is None:
        return application.credit_id
    return f"{credit.name} ({credit.reason})" if credit.reason else credit.name


def _number(quantity: Decimal, locale: Locale) -> str:
    shown: str = format_decimal(quantity.normalize(), locale=locale, decimal_quantization=False)
    return shown


def _sums(given: PageInput, locale: Locale) -> list[PageSum]:
    totals, words = given.totals, given.words
    sums = []
    if totals.credited:
        sums.append(PageSum(label=words.gross, amount=money_shown(totals.gross, locale)))
        sums.append(PageSum(label=words.credits_applied, amount=money_shown(-totals.credited, locale)))
    if totals.taxes or totals.credited:
        sums.append(PageSum(label=words.subtotal, amount=money_shown(totals.subtotal, locale)))
    sums += [
        PageSum(label=f"{tax.name} {tax.rate}", amount=money_shown(tax.amount, locale))
        for tax in totals.taxes
    ]
    sums.append(PageSum(label=words.total, amount=money_shown(totals.total, locale), strong=True))
    if totals.balance_used:
        sums.append(PageSum(label=words.balance_used, amount=money_shown(-totals.balance_used, locale)))
    if given.kind in ("credit_note", "void"):
        return sums
    due = totals.due
    if given.advance and given.paid_at is None:
        sums.append(PageSum(label=words.paid_in_advance, amount=money_shown(-given.advance, locale)))
        due = due - given.advance
    # What is asked for stands last on every invoice, if it is nothing too.
    label = words.due if given.paid_at is None else words.paid
    sums.append(PageSum(label=label, amount=money_shown(due, locale), strong=True))
    return sums
