"""Reports of use, summed out of the journal's files beside ingest; no transaction is held meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from drawdown.billing.report_requests import ReportRunway, ReportTopAccounts, ReportUsage
from drawdown.billing.usage_report import (
    Runway,
    RunwayReport,
    TopAccount,
    TopAccounts,
    UsageReport,
    UsageSums,
    runway_of,
)
from drawdown.errors import InvalidRequestError
from drawdown.model.credits import credits_from_units
from drawdown.model.instants import instant_from_us, us_from_instant
from drawdown.runtime.control.registry import handles
from drawdown.runtime.control.step import Step

if TYPE_CHECKING:
    from drawdown.runtime.control.control_plane import ControlPlane

SPAN: Final = timedelta(days=30)
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
ROWS_MAX: Final = 50_000
DAYS_MAX: Final = 366
# More accounts than anybody looks at; those charged most are among them.
ACCOUNTS_MAX: Final = 100_000
# No account has it: an id is printable.
_NOBODY: Final = "\x00"


def _usage(plane: ControlPlane, request: ReportUsage, account_prefix: str) -> UsageReport:
    since_us, until_us = _span(plane, request.since, request.until)
    limit = min(max(request.limit, 1), ROWS_MAX)
    if request.after < 0:
        raise InvalidRequestError("after: 0, or the 'next' of a page", field="after")
    rows = plane.engine.usage(since_us, until_us, prefix=_prefix(request.account_prefix, account_prefix))
    page = rows[request.after : request.after + limit]
    following = request.after + len(page)
    return UsageReport(
        rows=tuple(
            UsageSums(
                account=account,
                meter=meter or "",
                credit_type=credit_type,
                day=f"{datetime.fromtimestamp(day_us // 1_000_000, UTC):%Y-%m-%d}",
                events=events,
                quantity=_units(quantity, quantity_scale),
                charged=_units(charged, scale),
            )
            for account, meter, quantity_scale, credit_type, scale, day_us, events, quantity, charged in page
        ),
        next=following if following < len(rows) else 0,
    )


@handles(ReportUsage, before=_usage)
def report_usage(step: Step, _: ReportUsage) -> UsageReport:
    """A page."""
    report: UsageReport = step.prior
    return report


def _top(plane: ControlPlane, request: ReportTopAccounts, account_prefix: str) -> TopAccounts:
    since_us, until_us = _span(plane, request.since, request.until)
    prefix = _prefix(request.account_prefix, account_prefix)
    limit = min(max(request.limit, 1), ROWS_MAX)
    return TopAccounts(
        rows=tuple(
            TopAccount(account=account, credit_type=credit_type, events=events, charged=charged)
            for account, credit_type, events, charged in _charged(plane, since_us, until_us, prefix, limit)
        )
    )


@handles(ReportTopAccounts, before=_top)
def report_top_accounts(step: Step, _: ReportTopAccounts) -> TopAccounts:
    """By the time of events."""
    report: TopAccounts = step.prior
    return report


def runways(plane: ControlPlane, request: ReportRunway, account_prefix: str) -> RunwayReport:
    """Outside any transaction: it goes through the journal."""
    if not 1 <= request.days <= DAYS_MAX:
        raise InvalidRequestError(f"days: must be between 1 and {DAYS_MAX}", field="days")
    prefix = _prefix(request.account_prefix, account_prefix)
    back_us = us_from_instant(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=request.days))
    now_us = plane.now_us()
    found: list[Runway] = []
    clocks = plane.engine.test_clocks(prefix)
    for account, credit_type, _, charged in _charged(plane, now_us - back_us, now_us, prefix, ACCOUNTS_MAX):
        # An account on a clock of its own is looked at by that.
        if charged > 0 and account not in clocks:
            found.append(_runway(plane, account, credit_type, charged, request.days))
    for account, clock_us in clocks.items():
        for holder, credit_type, _, charged in _charged(
            plane, clock_us - back_us, clock_us + 1, account, ACCOUNTS_MAX
        ):
            if charged > 0 and holder == account:
                found.append(_runway(plane, account, credit_type, charged, request.days))
    found.sort(key=lambda each: (each.days, each.account, each.credit_type))
    return RunwayReport(rows=tuple(found[: min(max(request.limit, 1), ROWS_MAX)]))


@handles(ReportRunway, before=runways)
def report_runway(step: Step, _: ReportRunway) -> RunwayReport:
    """As it is now."""
    report: RunwayReport = step.prior
    return report


def _runway(plane: ControlPlane, account: str, credit_type: str, charged: Decimal, days: int) -> Runway:
    available = plane.engine.balance(account, credit_type).available
    return runway_of(account, credit_type, available, charged, days)


def _charged(
    plane: ControlPlane, since_us: int, until_us: int, prefix: str, limit: int
) -> Iterator[tuple[str, str, int, Decimal]]:
    for row in plane.engine.usage(since_us, until_us, prefix=prefix, top=limit):
        account, _, _, credit_type, scale, _, events, _, charged = row
        yield account, credit_type, events, _units(charged, scale)


def _span(plane: ControlPlane, since: datetime | None, until: datetime | None) -> tuple[int, int]:
    last = until or instant_from_us(plane.now_us())
    # Of a span that would begin before time does, as much as there is.
    first = since or max(last, _EARLIEST + SPAN) - SPAN
    if last <= first:
        raise InvalidRequestError("until: has to be after since", field="until")
    return us_from_instant(first), us_from_instant(last)


def _prefix(wanted: str, allowed: str) -> str:
    if allowed.startswith(wanted):
        return allowed
    return wanted if wanted.startswith(allowed) else _NOBODY


def _units(text: Any, scale: int) -> Decimal:
    return credits_from_units(int(text), scale)
