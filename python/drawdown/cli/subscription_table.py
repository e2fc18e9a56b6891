"""One subscription as a table, for every command that answers one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from drawdown.cli.output import print_json, print_table
from drawdown.subscriptions.subscription import Subscription

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
        ("billing period", f"{period.start:%Y-%m-%d %H:%M} – {period.end:%Y-%m-%d %H:%M} UTC"),
        ("renews by itself", found.auto_renew),
        ("ends", found.ends_at or found.ended_at),
        ("services", [each.service_id for each in found.services]),
    ]
    print_table(f"Subscription {found.subscription_id}", ["what", "value"], rows)
