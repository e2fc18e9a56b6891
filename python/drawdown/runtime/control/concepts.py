"""Every concept of the control plane: importing this fills the registries of calls and jobs."""

from drawdown.runtime.control import (
    catalog_calls,
    catalog_file_calls,
    customer_calls,
    invoice_calls,
    invoice_credit_calls,
    invoice_jobs,
    notice_calls,
    purchase_calls,
    purchase_jobs,
    recharge_calls,
    subscription_calls,
    subscription_changes,
    subscription_jobs,
    subscription_lifecycle,
    subscription_services,
    webhook_calls,
)

__all__ = [
    "catalog_calls",
    "catalog_file_calls",
    "customer_calls",
    "invoice_calls",
    "invoice_credit_calls",
    "invoice_jobs",
    "notice_calls",
    "purchase_calls",
    "purchase_jobs",
    "recharge_calls",
    "subscription_calls",
    "subscription_changes",
    "subscription_jobs",
    "subscription_lifecycle",
    "subscription_services",
    "webhook_calls",
]
