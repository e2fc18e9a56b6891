"""Calls on reports."""

from datetime import datetime

from drawdown.billing.report import CreditReport, SalesReport
from drawdown.billing.usage_report import RunwayReport, TopAccounts, UsageReport
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
    """What became of granted credits in a period, and of the money paid for them."""

    rpc = "ReportService/ReportCredits"
    right = "read"
    answer = CreditReport
    account_prefix: str = ""
    """Only accounts whose id starts with this."""
    since: datetime | None = None
    """Absent: from the beginning."""
    until: datetime | None = None
    """Before this instant; absent: up to now."""


class ReportUsage(Request, frozen=True):
    """What was used and charged, by account, meter and day, of events dated in a span of time."""

    rpc = "ReportService/ReportUsage"
    right = "read"
    answer = UsageReport
    since: datetime | None = None
    """Absent: 30 days before ``until``."""
    until: datetime | None = None
    """Before this instant; absent: up to now."""
    account_prefix: str = ""
    """Only accounts whose id starts with this."""
    after: int = 0
    """The ``next`` of a page; give ``until`` with it, so that the pages fit together."""
    limit: int = 10_000


class ReportTopAccounts(Request, frozen=True):
    """The accounts that were charged most in a span of time, of each credit type."""

    rpc = "ReportService/ReportTopAccounts"
    right = "read"
    answer = TopAccounts
    since: datetime | None = None
    """Absent: 30 days before ``until``."""
    until: datetime | None = None
    account_prefix: str = ""
    limit: int = 20


class ReportRunway(Request, frozen=True):
    """How long credits last at the present rate, of accounts that used any in the days looked back on."""

    rpc = "ReportService/ReportRunway"
    right = "read"
    answer = RunwayReport
    days: int = 7
    """To look back on, 1–366."""
    account_prefix: str = ""
    limit: int = 100
