"""Reports, as methods."""

from __future__ import annotations

from datetime import datetime

from drawdown.billing import report_requests as reporting
from drawdown.billing.report import CreditReport, SalesReport
from drawdown.billing.usage_report import RunwayReport, TopAccounts, UsageReport
from drawdown.client.control.door import ControlDoor


class ReportMethods(ControlDoor):
    """Sums over everything."""

    def report_sales(
        self, *, since: datetime | None = None, until: datetime | None = None, account: str = ""
    ) -> SalesReport:
        """Packs sold by type and their revenue, recharges and failures, begun in ``[since, until)``."""
        answer: SalesReport = self.control(reporting.ReportSales(since=since, until=until, account=account))
        return answer

    def report_credits(
        self, *, since: datetime | None = None, until: datetime | None = None, account_prefix: str = ""
    ) -> CreditReport:
        """Granted, burned, expired and voided in ``[since, until)``, outstanding at its end; likewise revenue
        recognised and deferred.

        Without ``since`` from the beginning, without ``until`` as it is now; another span is read from the
        journal, account by account. Breakage counts when it is booked: ``late_grace_s`` after a grant's end.
        """
        answer: CreditReport = self.control(
            reporting.ReportCredits(since=since, until=until, account_prefix=account_prefix)
        )
        return answer

    def report_usage(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        account_prefix: str = "",
        after: int = 0,
        limit: int = 10_000,
    ) -> UsageReport:
        """What was used and charged, by account, meter and day, of events dated in ``[since, until)``.

        Without ``until`` up to now, without ``since`` 30 days. Goes through the journal beside ingest; a page
        at a time: go on with ``after=page.next`` and the same ``until`` until that is 0.
        """
        answer: UsageReport = self.control(
            reporting.ReportUsage(
                since=since, until=until, account_prefix=account_prefix, after=after, limit=limit
            )
        )
        return answer

    def report_top_accounts(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        account_prefix: str = "",
        limit: int = 20,
    ) -> TopAccounts:
        """Of each credit type, the accounts charged most in a span of time (default: 30 days)."""
        answer: TopAccounts = self.control(
            reporting.ReportTopAccounts(since=since, until=until, account_prefix=account_prefix, limit=limit)
        )
        return answer

    def report_runway(self, *, days: int = 7, account_prefix: str = "", limit: int = 100) -> RunwayReport:
        """How long credits last at the rate of the last ``days``, the shortest first; by events' own time."""
        answer: RunwayReport = self.control(
            reporting.ReportRunway(days=days, account_prefix=account_prefix, limit=limit)
        )
        return answer
