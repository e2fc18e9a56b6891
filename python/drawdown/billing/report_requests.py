"""Calls on reports."""

from datetime import datetime

from drawdown.billing.report import CreditReport, SalesReport
from drawdown.model.request import Request


class ReportSales(Request, frozen=True):
    """Packs sold by type and their revenue, recharges, failures: of what was begun in a period."""

    rpc = "ReportService/ReportSales"
    right = "read"
    answer = SalesReport
    since: datetime | None = None
    until: datetime | None = None
    """Before this instant; absent: up to now."""
    account: str = ""
    """Empty: every account that the caller may see."""


class ReportCredits(Request, frozen=True):
    """What became of granted credits, and of the money paid for them, as it is now."""

    rpc = "ReportService/ReportCredits"
    right = "read"
    answer = CreditReport
    account_prefix: str = ""
    """Only accounts that begin so."""
