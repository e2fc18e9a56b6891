"""Reports: sums over purchases and grants, read a page at a time; those of the past out of the journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from drawdown.billing.invoice import Invoice
from drawdown.billing.purchase import Purchase, line_id_of
from drawdown.billing.report import (
    CreditReport,
    GivenBack,
    SalesReport,
    credits_between,
    sales_of,
    sums_of,
)
from drawdown.billing.report_requests import ReportCredits, ReportSales
from drawdown.errors import AccountNotFoundError, InvalidRequestError
from drawdown.model.instants import us_from_instant
from drawdown.model.money import total, zero
from drawdown.model.results import Account, Grant
from drawdown.runtime.control.purchase_invoices import own_invoice
from drawdown.runtime.control.registry import handles
from drawdown.runtime.control.step import Step
from drawdown.storage.sql.change_book import batched
from drawdown.storage.sql.documents import begins_with
from drawdown.storage.sql.tables.billing import invoice as invoice_table
from drawdown.storage.sql.tables.payments import purchase as table

if TYPE_CHECKING:
    from drawdown.runtime.control.control_plane import ControlPlane

PURCHASES_AT_ONCE: Final = 500


@handles(ReportSales)
def report_sales(step: Step, request: ReportSales) -> SalesReport:
    """By the instant at which a purchase was begun, on its account's clock."""
    _require_period(request)
    where = []
    if request.since is not None:
        where.append(table.c.created_at >= us_from_instant(request.since))
    if request.until is not None:
        where.append(table.c.created_at < us_from_instant(request.until))
    if request.account:
        where.append(table.c.account == request.account)
    if step.account_prefix:
        where.append(begins_with(table.c.account, step.account_prefix))
    return sales_of(_with_what_went_back(step, step.work.purchases.each(*where)))


def _with_what_went_back(
    step: Step, purchases: Iterable[Purchase]
) -> Iterator[tuple[Purchase, GivenBack | None]]:
    """Invoices and their notes say it, and are read for what was given back alone, some at a time."""
    for some in batched(purchases, PURCHASES_AT_ONCE):
        notes = _notes_by_invoice(step, {each.account for each in some})
        concerned = [each for each in some if each.refunded is not None or each.invoice_id in notes]
        step.work.invoices.bring((each.invoice_id,) for each in concerned)
        for each in some:
            is_concerned = each.refunded is not None or each.invoice_id in notes
            yield each, _given_back(step, each, notes.get(each.invoice_id, [])) if is_concerned else None
        step.work.invoices.forget()


def _notes_by_invoice(step: Step, accounts: Iterable[str]) -> dict[str, list[Invoice]]:
    """Credit notes of the accounts, by the invoice that they correct."""
    columns = invoice_table.c
    found: dict[str, list[Invoice]] = {}
    # As the body has it: nothing else there can spell the quotes.
    is_note = columns.body.contains('"corrects":"')
    for note in step.work.invoices.find(columns.account.in_(accounts), is_note):
        found.setdefault(note.corrects, []).append(note)
    return found


def _given_back(step: Step, purchase: Purchase, notes: Iterable[Invoice]) -> GivenBack:
    """A refund of a purchase with an invoice of its own is a note too."""
    invoice = own_invoice(step, purchase)
    if invoice is not None and invoice.totals is not None:
        taken = [each.totals.total for each in notes if each.totals is not None]
        return GivenBack(money=-total(taken, invoice.currency), of=invoice.totals.total)
    lines = [line.amount for note in notes for line in note.lines if line.reference == line_id_of(purchase)]
    refunded = purchase.refunded or zero(purchase.price.currency)
    return GivenBack(money=refunded - total(lines, refunded.currency), of=purchase.price)


def _require_period(request: ReportSales | ReportCredits) -> None:
    if request.since is not None and request.until is not None and request.until <= request.since:
        raise InvalidRequestError("until: has to be after since", field="until")


def _sums(plane: ControlPlane, request: ReportCredits, account_prefix: str) -> CreditReport:
    """Outside any transaction: it takes long, and only the engine is asked."""
    _require_period(request)
    prefix = request.account_prefix
    if account_prefix.startswith(prefix):
        prefix = account_prefix
    elif not prefix.startswith(account_prefix):
        return CreditReport()
    closing = sums_of(_grants(plane, prefix, request.until))
    if request.since is None:
        return credits_between({}, closing)
    return credits_between(sums_of(_grants(plane, prefix, request.since)), closing)


@handles(ReportCredits, before=_sums)
def report_credits(step: Step, _: ReportCredits) -> CreditReport:
    """Grants that have left memory are in it."""
    report: CreditReport = step.prior
    return report


def _grants(plane: ControlPlane, prefix: str, until: datetime | None) -> Iterator[Grant]:
    """Every grant of these accounts as it stood just before ``until``; absent: as it stands."""
    at_us = None if until is None else us_from_instant(until) - 1
    after: str | None = None
    more = True
    while more:
        accounts, more = plane.engine.accounts(prefix=prefix, after=after)
        for account in accounts:
            yield from _grants_of(plane, account, at_us)
        after = accounts[-1].account if accounts else None
        more = more and after is not None


def _grants_of(plane: ControlPlane, account: Account, at_us: int | None) -> Sequence[Grant]:
    now_us = plane.now_us() if account.test_clock is None else us_from_instant(account.test_clock)
    if at_us is None or at_us >= now_us:
        # What is still to come has not happened, whatever the dates say.
        return plane.engine.grants(account.account)
    try:
        return plane.engine.grants_at(account.account, at_us)
    except AccountNotFoundError:
        # It was made later.
        return ()
