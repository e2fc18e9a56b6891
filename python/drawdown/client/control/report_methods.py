"""Reports, as methods."""

from __future__ import annotations

from datetime import datetime

from drawdown.billing import report_requests as reporting
from drawdown.billing.report import CreditReport, SalesReport
from drawdown.client.control.door import ControlDoor


class ReportMethods(ControlDoor):
    """Sums over everything."""

    def report_sales(
        self, *, since: datetime | None = None, until: datetime | None = None, account: str = ""
    ) -> SalesReport:
        """Packs sold by type and their revenue, recharges and failures, begun in ``[since, until)``."""
        answer: SalesReport = self.control(reporting.ReportSales(since=since, until=until, account=account))
        return answer

    def report_credits(self, *, account_prefix: str = "") -> CreditReport:
        """Granted, burned, expired, voided, outstanding; recognised and deferred revenue. As it is now."""
        answer: CreditReport = self.control(reporting.ReportCredits(account_prefix=account_prefix))
        return answer
