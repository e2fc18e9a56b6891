"""What many jobs of a kind will read, asked for together: one question instead of one per job.

Nothing depends on it: a handler reads through the same repositories and asks for what is missing.
"""

from collections.abc import Iterable

from drawdown.billing.invoice import DRAFT_STATES
from drawdown.runtime.control.arrears_steps import has_overage, since_begun
from drawdown.runtime.control.invoice_closing import since_looked_back
from drawdown.storage.sql.jobs import StoredJob
from drawdown.storage.sql.work import Work
from drawdown.subscriptions.identifiers import approval_invoice_id, further_invoice_id, invoice_id


def bring_renewals(work: Work, jobs: list[StoredJob]) -> None:
    """Subscriptions whose next period or grant begins, and the invoices it stands on."""
    bring_subscriptions(work, (job.payload["subscription_id"] for job in jobs))
    invoices, accounts, ended = [], [], {}
    for job in jobs:
        subscription = work.subscriptions.get(subscription_id=job.payload["subscription_id"])
        if subscription is not None:
            accounts.append(subscription.account)
            regular = invoice_id(subscription.account, job.due_at, subscription.currency)
            for first in (regular, approval_invoice_id(regular)):
                invoices += [(first,), (further_invoice_id(first, subscription.subscription_id),)]
            plan = work.plans.get(plan_id=subscription.plan_id, version=subscription.version)
            if plan is not None and (has_overage(plan) or plan.minimum_spend):
                ended[subscription.account] = subscription.billing.period(
                    max(0, subscription.billing_next - 1)
                )
    work.invoices.bring(invoices)
    work.invoice_credits.bring_lists(accounts, by="account", order="row")
    for state in ("granted", "refunded"):
        work.purchases.bring_lists(accounts, by="account", order="row", state=state)
    if ended:
        since = since_begun(min(ended.values(), key=lambda period: period.start))
        work.invoices.bring_lists(ended, by="account", order="row", since=since)


def bring_invoices(work: Work, jobs: list[StoredJob]) -> None:
    """Invoices that become final or are collected, with whom they are for and what is set against them."""
    work.invoices.bring((job.payload["invoice_id"],) for job in jobs)
    found = [work.invoices.get(invoice_id=job.payload["invoice_id"]) for job in jobs]
    invoices = [each for each in found if each is not None]
    bring_subscriptions(work, (line.subscription_id for each in invoices for line in each.lines))
    bring_accounts(work, (each.account for each in invoices))
    drafts = [each for each in invoices if each.state == "draft"]
    work.invoice_credits.bring_lists((each.account for each in drafts), by="account", order="row")
    work.money_balances.bring((each.account, each.currency) for each in drafts)


def bring_closings(work: Work, jobs: list[StoredJob]) -> None:
    """Drafts whose usage is looked at for the last time, and what of it stands on invoices."""
    bring_invoices(work, jobs)
    found = [work.invoices.get(invoice_id=job.payload["invoice_id"]) for job in jobs]
    owed = [(each.account, arrears) for each in found if each is not None for arrears in each.arrears]
    bring_subscriptions(work, (arrears.subscription_id for _, arrears in owed))
    work.plans.bring((arrears.plan_id, arrears.version) for _, arrears in owed)
    work.overage_billed.bring((account, arrears.credit_type) for account, arrears in owed)
    waiting = [each for each in found if each is not None and each.waits_for_usage]
    accounts = [each.account for each in waiting]
    for state in DRAFT_STATES:
        work.invoices.bring_lists(accounts, by="account", order="row", state=state)
    if waiting:
        since = since_looked_back(min(each.created_at for each in waiting))
        work.invoices.bring_lists(accounts, by="account", order="row", since=since)


def bring_subscriptions(work: Work, subscription_ids: Iterable[str]) -> None:
    """Subscriptions, their accounts and their plans."""
    wanted = [each for each in dict.fromkeys(subscription_ids) if each]
    work.subscriptions.bring((each,) for each in wanted)
    found = [work.subscriptions.get(subscription_id=each) for each in wanted]
    subscriptions = [each for each in found if each is not None]
    bring_accounts(work, (each.account for each in subscriptions))
    work.plans.bring((each.plan_id, each.version) for each in subscriptions)


def bring_accounts(work: Work, accounts: Iterable[str]) -> None:
    """Profiles of accounts and their customers."""
    wanted = list(dict.fromkeys(accounts))
    work.profiles.bring((each,) for each in wanted)
    profiles = [work.profiles.get(account=each) for each in wanted]
    work.customers.bring((each.customer_id,) for each in profiles if each is not None)
