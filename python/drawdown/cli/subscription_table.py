"""One subscription as a table, for every command that answers one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from drawdown.cli.output import print_json, print_table
from drawdown.subscriptions.subscription import PlannedChange, Service, Subscription

IdArgument = Annotated[str, typer.Argument(help="Subscription id.")]


def show_subscription(found: Subscription, as_json: bool) -> None:
    """Print it."""
    if as_json:
        print_json(found)
        return
    period = found.billing.period(max(0, found.billing_next - 1))
    rows: list[tuple[str, Any]] = [
        ("account", found.account),
        ("plan", f"{found.plan_id} version {found.version}"),
        ("quantity", found.quantity),
        ("state", found.state),
        ("past due since", found.past_due_since),
        ("unpaid invoice", found.unpaid_invoice_id or None),
        ("billing period", f"{period.start:%Y-%m-%d %H:%M} – {period.end:%Y-%m-%d %H:%M} UTC"),
        ("trial ends", found.trial_ends_at if found.state == "trialing" else None),
        ("renews by itself", found.auto_renew),
        ("term ends", found.term_ends_at),
        ("paused since", found.paused_at),
        ("ends", found.ended_at or found.ends_at),
        ("change to come", _planned(found.planned_change)),
        ("services", [_service(each) for each in found.services] or None),
    ]
    kept = [row for row in rows if row[1] is not None]
    print_table(f"Subscription {found.subscription_id}", ["what", "value"], kept)


def _planned(change: PlannedChange | None) -> str | None:
    if change is None:
        return None
    when = f"when {change.invoice_id} is paid" if change.invoice_id else "at the end of the billing period"
    return f"{change.plan_id} version {change.version}, quantity {change.quantity}, {when}"


def _service(service: Service) -> str:
    state = "" if service.state == "active" else f" ({service.state})"
    return f"{service.service_id}: {service.quantity} × {service.pack_id} {service.schedule}{state}"
