"""Every method of the control plane."""

from __future__ import annotations

from drawdown.client.control.billing_methods import BillingMethods
from drawdown.client.control.catalog_methods import CatalogMethods
from drawdown.client.control.housekeeping_methods import HousekeepingMethods
from drawdown.client.control.invoice_credit_methods import InvoiceCreditMethods
from drawdown.client.control.notice_methods import NoticeMethods
from drawdown.client.control.purchase_methods import PurchaseMethods
from drawdown.client.control.report_methods import ReportMethods
from drawdown.client.control.subscription_methods import SubscriptionMethods
from drawdown.client.control.webhook_methods import WebhookMethods


class ControlMethods(
    CatalogMethods,
    SubscriptionMethods,
    BillingMethods,
    PurchaseMethods,
    InvoiceCreditMethods,
    HousekeepingMethods,
    NoticeMethods,
    ReportMethods,
    WebhookMethods,
):
    """What ``Database`` gains from the control plane."""
