"""Reports: sums over purchases and grants, read a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from drawdown.billing.report import CreditReport, SalesReport, credits_of, sales_of
from drawdown.billing.report_requests import ReportCredits, ReportSales
from drawdown.errors import InvalidRequestError
from drawdown.model.instants import us_from_instant
from drawdown.model.results import Grant
from drawdown.runtime.control.registry import handles
from drawdown.runtime.control.step import Step
from drawdown.storage.sql.tables.payments import purchase as table

if TYPE_CHECKING:
    from drawdown.engine import Engine
    from drawdown.runtime.control.control_plane import ControlPlane


@handles(ReportSales)
def report_sales(step: Step, request: ReportSales) -> SalesReport:
    """By the instant at which a purchase was begun, on its account's clock."""
    if request.since is not None and request.until is not None and request.until <= request.since:
        raise InvalidRequestError("until: has to be after since", field="until")
    where = []
    if request.since is not None:
        where.append(table.c.created_at >= us_from_instant(request.since))
    if request.until is not None:
        where.append(table.c.created_at < us_from_instant(request.until))
    if request.account:
        where.append(table.c.account == request.account)
    if step.account_prefix:
        where.append(table.c.account.startswith(step.account_prefix, autoescape=True))
    return sales_of(step.work.purchases.each(*where))


def _sums(plane: ControlPlane, request: ReportCredits, account_prefix: str) -> CreditReport:
    """Outside any transaction: it takes long, and only the engine is asked."""
    prefix = request.account_prefix
    if account_prefix.startswith(prefix):
        prefix = account_prefix
    elif not prefix.startswith(account_prefix):
        return CreditReport()
    return credits_of(_grants(plane.engine, prefix))


@handles(ReportCredits, before=_sums)
def report_credits(step: Step, _: ReportCredits) -> CreditReport:
    """Every grant that is still in the books."""
    report: CreditReport = step.prior
    return report


def _grants(engine: Engine, prefix: str) -> Iterator[Grant]:
    after: str | None = None
    more = True
    while more:
        accounts, more = engine.accounts(prefix=prefix, after=after)
        for account in accounts:
            yield from engine.grants(account.account)
        after = accounts[-1].account if accounts else None
        more = more and after is not None
