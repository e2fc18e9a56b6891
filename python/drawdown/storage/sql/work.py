"""One transaction of the control plane: every repository, and the ways out of it.

Rows, outbox, jobs and notices of a step are written through one ``Work``; they are durable together
or not at all.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import msgspec
from sqlalchemy import Connection

from drawdown import errors
from drawdown.billing.balances import MoneyBalance
from drawdown.billing.invoice import Invoice
from drawdown.billing.invoice_credit import InvoiceCredit
from drawdown.billing.overage import OverageBilled
from drawdown.billing.purchase import Purchase
from drawdown.billing.recharge_requests import Recharge
from drawdown.billing.transfer import Transfer
from drawdown.catalog.pack import Pack
from drawdown.catalog.plan import Plan
from drawdown.catalog.product import Product
from drawdown.catalog.rate_card import RateCard
from drawdown.model.decision import Decision
from drawdown.model.instants import us_from_instant
from drawdown.model.request import Request, content_of
from drawdown.storage.sql import tables
from drawdown.storage.sql.calls_seen import CallsSeen
from drawdown.storage.sql.change_book import ChangeBook
from drawdown.storage.sql.documents import Documents
from drawdown.storage.sql.jobs import Jobs, PlacedJob
from drawdown.storage.sql.notice_feed import NoticeFeed
from drawdown.storage.sql.outbox import Outbox
from drawdown.storage.sql.pending import Pending
from drawdown.storage.sql.series import Series
from drawdown.storage.sql.wakes import Written
from drawdown.storage.sql.webhook_book import WebhookBook
from drawdown.subscriptions.closing import AccountClosing
from drawdown.subscriptions.customer import AccountProfile, Customer
from drawdown.subscriptions.subscription import Subscription


class Work:
    """The repositories of one transaction. A concept adds its own here."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.written = written = Written()
        self.pending = pending = Pending()
        self.outbox = Outbox(connection, pending)
        self.jobs = Jobs(connection, pending, written)
        self.series = Series(connection, pending)
        self.notices = NoticeFeed(connection, pending, self.series, written)
        self.webhooks = WebhookBook(connection, pending, written)
        self.calls_seen = CallsSeen(connection, pending)
        self.changes = ChangeBook(connection)
        self._open_catalog(connection, pending)
        self.customers = Documents(
            connection,
            pending,
            tables.subscriptions.customer,
            Customer,
            lambda v: {"customer_id": v.customer_id},
            ("customer_id",),
        )
        self.profiles = Documents(
            connection,
            pending,
            tables.subscriptions.account_profile,
            AccountProfile,
            lambda v: {"account": v.account, "customer_id": v.customer_id},
            ("account",),
        )
        self.closings = Documents(
            connection,
            pending,
            tables.subscriptions.account_closing,
            AccountClosing,
            lambda v: {"account": v.account, "customer_id": v.customer_id},
            ("account",),
        )
        self.subscriptions = Documents(
            connection,
            pending,
            tables.subscriptions.subscription,
            Subscription,
            _subscription_columns,
            ("subscription_id",),
        )
        self.invoices = Documents(
            connection, pending, tables.billing.invoice, Invoice, _invoice_columns, ("invoice_id",)
        )
        self._open_billing(connection, pending)
        self._documents: tuple[Documents[Any], ...] = (
            *(each for each in vars(self).values() if isinstance(each, Documents)),
            self.webhooks.endpoints,
            self.webhooks.deliveries,
        )

    def _open_catalog(self, connection: Connection, pending: Pending) -> None:
        self.products = Documents(
            connection,
            pending,
            tables.catalog.product,
            Product,
            lambda v: {"product_id": v.product_id},
            ("product_id",),
        )
        self.plans = Documents(
            connection, pending, tables.catalog.plan, Plan, _plan_columns, ("plan_id", "version")
        )
        self.rate_cards = Documents(
            connection,
            pending,
            tables.catalog.rate_card,
            RateCard,
            lambda v: {"card_id": v.card_id, "version": v.version},
            ("card_id", "version"),
        )
        self.packs = Documents(
            connection, pending, tables.catalog.pack, Pack, lambda v: {"pack_id": v.pack_id}, ("pack_id",)
        )

    def _open_billing(self, connection: Connection, pending: Pending) -> None:
        self.invoice_credits = Documents(
            connection,
            pending,
            tables.invoice_credits.invoice_credit,
            InvoiceCredit,
            lambda v: {"credit_id": v.credit_id, "account": v.account},
            ("credit_id",),
        )
        self.money_balances = Documents(
            connection,
            pending,
            tables.invoice_credits.money_balance,
            MoneyBalance,
            lambda v: {"account": v.account, "currency": v.balance.currency},
            ("account", "currency"),
        )
        self.overage_billed = Documents(
            connection,
            pending,
            tables.invoice_credits.overage_billed,
            OverageBilled,
            lambda v: {"account": v.account, "credit_type": v.credit_type},
            ("account", "credit_type"),
        )
        self.purchases = Documents(
            connection, pending, tables.payments.purchase, Purchase, _purchase_columns, ("purchase_id",)
        )
        self.transfers = Documents(
            connection,
            pending,
            tables.transfers.transfer,
            Transfer,
            lambda v: {
                "transfer_id": v.transfer_id,
                "from_account": v.from_account,
                "to_account": v.to_account,
            },
            ("transfer_id",),
        )
        self.recharges = Documents(
            connection,
            pending,
            tables.payments.recharge,
            Recharge,
            _recharge_columns,
            ("account", "credit_type"),
        )

    @property
    def connection(self) -> Connection:
        """For statements past the repositories: what was put so far is written. See ``forget``."""
        self.write_out()
        self.pending.wrote()
        return self._connection

    def forget(self) -> None:
        """Rows were changed past the repositories: what they have at hand may be old."""
        for documents in self._documents:
            documents.forget()

    def part(self) -> AbstractContextManager[None]:
        """A part of the transaction that can fail by itself: leaving it with an exception undoes it.

        Raises ``PartWrittenError`` where only the whole transaction can be undone.
        """
        return self.pending.part()

    def write_out(self) -> None:
        """Everything put so far is in the database, though not committed."""
        for documents in self._documents:
            documents.write_out()
        for flow in (self.series, self.outbox, self.jobs, self.notices):
            flow.write_out()

    def first_time(self, request: Request, call_id: str, *, exists: bool = False) -> bool:
        """Whether a call of this id is new; False for the same content again.

        Raises ``AlreadyExistsError`` where the id is taken by other content, or by what another kind of
        call made: then no call of this kind was seen, and yet what it would make ``exists``.
        """
        as_sent = msgspec.json.encode(request).decode()
        return self.calls_seen.first_time(
            type(request).rpc, call_id, content_of(request), as_sent, exists=exists
        )

    def carry_out(self, decision: Decision, at_us: int) -> None:
        """Put down what a rule decided; commands reach the engine after the transaction."""
        self.carry_out_all((decision,), at_us)

    def carry_out_all(self, decisions: Sequence[Decision], at_us: int) -> None:
        """The same of several, in their order."""
        for decision in decisions:
            for account, group in decision.groups:
                self.outbox.put(account, group)
        jobs = [job for decision in decisions for job in decision.jobs]
        self.jobs.put_many(
            [PlacedJob(job, self._clock_of(job.account), us_from_instant(job.due_at)) for job in jobs]
        )
        self.notices.put_many([notice for decision in decisions for notice in decision.notices], at_us)

    def _clock_of(self, account: str) -> str:
        profile = self.profiles.get(account=account) if account else None
        return account if profile is not None and profile.test_clock else ""

    def plan(self, plan_id: str, version: int) -> Plan:
        """One plan version. Raises ``NotFoundError``."""
        found = self.plans.get(plan_id=plan_id, version=version)
        if found is None:
            raise errors.NotFoundError(
                f"there is no plan {plan_id!r} version {version}", reason="PLAN_UNKNOWN", field="plan_id"
            )
        return found

    def subscription(self, subscription_id: str, account_prefix: str = "") -> Subscription:
        """One subscription, of an account within the prefix. Raises ``NotFoundError``."""
        found = self.subscriptions.get(subscription_id=subscription_id)
        if found is None or not found.account.startswith(account_prefix):
            raise errors.NotFoundError(
                f"there is no subscription {subscription_id!r}",
                reason="SUBSCRIPTION_UNKNOWN",
                field="subscription_id",
            )
        return found

    def purchase(self, purchase_id: str, account_prefix: str = "") -> Purchase:
        """One purchase, of an account within the prefix. Raises ``NotFoundError``."""
        found = self.purchases.get(purchase_id=purchase_id)
        if found is None or not found.account.startswith(account_prefix):
            raise errors.NotFoundError(
                f"there is no purchase {purchase_id[:128]!r}", reason="PURCHASE_UNKNOWN", field="purchase_id"
            )
        return found

    def pack_name(self, pack_id: str) -> str:
        """The pack's name; empty where there is none."""
        pack = self.packs.get(pack_id=pack_id) if pack_id else None
        return "" if pack is None else pack.name

    def invoice(self, invoice_id: str, account_prefix: str = "") -> Invoice:
        """One invoice, of an account within the prefix. Raises ``NotFoundError``."""
        found = self.invoices.get(invoice_id=invoice_id)
        if found is None or not found.account.startswith(account_prefix):
            raise errors.NotFoundError(
                f"there is no invoice {invoice_id!r}", reason="INVOICE_UNKNOWN", field="invoice_id"
            )
        return found


def _purchase_columns(purchase: Purchase) -> dict[str, object]:
    return {
        "purchase_id": purchase.purchase_id,
        "account": purchase.account,
        "state": purchase.state,
        "charge_key": purchase.charge_key,
        "pack_id": purchase.pack_id,
        "created_at": us_from_instant(purchase.created_at),
    }


def _recharge_columns(recharge: Recharge) -> dict[str, object]:
    return {
        "account": recharge.rule.account,
        "credit_type": recharge.rule.credit_type,
        "state": recharge.standing.state,
    }


def _plan_columns(plan: Plan) -> dict[str, object]:
    return {
        "plan_id": plan.plan_id,
        "version": plan.version,
        "product_id": plan.product_id,
        "state": plan.state,
    }


def _subscription_columns(subscription: Subscription) -> dict[str, object]:
    return {
        "subscription_id": subscription.subscription_id,
        "account": subscription.account,
        "plan_id": subscription.plan_id,
        "live": subscription.live,
    }


def _invoice_columns(invoice: Invoice) -> dict[str, object]:
    return {
        "invoice_id": invoice.invoice_id,
        "account": invoice.account,
        "state": invoice.state,
        "number": invoice.number or None,
        "created_at": us_from_instant(invoice.created_at),
    }
