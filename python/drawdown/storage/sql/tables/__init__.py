"""Every table of the control plane, one file per concept."""

from drawdown.storage.sql.tables import (
    billing,
    catalog,
    changes,
    flow,
    invoice_credits,
    notices,
    payments,
    subscriptions,
    transfers,
)

__all__ = [
    "billing",
    "catalog",
    "changes",
    "flow",
    "invoice_credits",
    "notices",
    "payments",
    "subscriptions",
    "transfers",
]
