"""Lines onto the invoice of a period, and what follows when an invoice is paid or approved."""

from datetime import datetime

import msgspec

from drawdown.billing.invoice import GrantRelease, Invoice, line_of
from drawdown.catalog.plan import Plan
from drawdown.model.commands import release_grant
from drawdown.model.decision import Job
from drawdown.runtime.control.invoice_foot import foot, give_back, use_up
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.subscription_hooks import PAID_JOB, tell_subscriptions
from drawdown.storage.sql import tables
from drawdown.subscriptions.calendar import Period
from drawdown.subscriptions.charge import Charge
from drawdown.subscriptions.identifiers import invoice_id, lane_of
from drawdown.subscriptions.subscription import Subscription

FINALIZE_JOB = "invoice.finalize"
COLLECT_JOB = "invoice.collect"


def invoice_of_period(step: Step, subscription: Subscription, period: Period) -> Invoice | None:
    """The account's invoice for the billing period in the subscription's currency."""
    return step.work.invoices.get(
        invoice_id=invoice_id(subscription.account, period.start, subscription.currency)
    )


def must_wait(plan: Plan, invoice: Invoice | None) -> bool:
    """Whether credits wait for their invoice."""
    if plan.release == "immediate" or invoice is None or invoice.state == "paid":
        return False
    if plan.release == "on_approval":
        return invoice.state == "draft"
    return True


def invoice_with_line(step: Step, subscription: Subscription, line_id: str) -> Invoice | None:
    """The newest invoice of the account that has the line."""
    table = tables.billing.invoice
    for invoice in step.work.invoices.find(
        table.c.body.contains(f'"line_id":"{line_id}"', autoescape=True),
        account=subscription.account,
        order="row",
        descending=True,
    ):
        if any(line.line_id == line_id for line in invoice.lines):
            return invoice
    return None


def add_lines(
    step: Step,
    subscription: Subscription,
    plan: Plan,
    period: Period,
    charges: list[Charge],
    *,
    own_id: str = "",
) -> Invoice:
    """The charges are on the account's invoice of the period, which is made on the first of them.

    With ``own_id`` they are on an invoice of that id, for what is charged in the midst of a period.
    """
    known = (
        step.work.invoices.get(invoice_id=own_id) if own_id else invoice_of_period(step, subscription, period)
    )
    profile = step.profile(subscription.account)
    if known is None or known.state != "draft":
        # A second subscription that begins at the same instant, after the first's invoice is final.
        number = "" if known is None else f":{subscription.subscription_id}"
        invoice = Invoice(
            invoice_id=(own_id or invoice_id(subscription.account, period.start, subscription.currency))
            + number,
            account=subscription.account,
            customer_id=subscription.customer_id,
            currency=subscription.currency,
            state="draft",
            created_at=period.start,
            period=period,
            test_clock=profile.test_clock,
        )
    else:
        invoice = known
    have = {line.line_id for line in invoice.lines}
    invoice = msgspec.structs.replace(
        invoice, lines=(*invoice.lines, *(line_of(each) for each in charges if each.charge_id not in have))
    )
    step.work.invoices.put(invoice)
    if plan.release != "on_approval":
        step.decision.job(finalize_job(invoice, period.start))
    return invoice


def finalize_job(invoice: Invoice, due_at: datetime) -> Job:
    """The invoice becomes final at this instant."""
    return Job(
        kind=FINALIZE_JOB,
        key=f"{FINALIZE_JOB}:{invoice.invoice_id}",
        lane=lane_of(invoice.account),
        account=invoice.account,
        due_at=due_at,
        rank=80,
        payload={"invoice_id": invoice.invoice_id},
    )


def finalize(step: Step, invoice: Invoice, at: datetime) -> Invoice:
    """The invoice has its number and never changes again; what is due is asked for."""
    if invoice.state not in ("draft", "approved"):
        return invoice
    series = "T" if invoice.test_clock else "I"
    summed = foot(step, invoice)
    final = msgspec.structs.replace(
        summed,
        state="finalized",
        number=f"{series}-{step.work.series.following(f'invoice:{series}'):08d}",
        finalized_at=at,
    )
    use_up(step, final)
    step.decision.notice(
        "invoice.finalized",
        invoice.account,
        key=f"invoice.finalized:{invoice.invoice_id}",
        invoice_id=invoice.invoice_id,
    )
    if final.due is None or final.due.minor <= 0:
        return settle(step, final, at)
    step.decision.job(
        Job(
            kind=COLLECT_JOB,
            key=f"{COLLECT_JOB}:{invoice.invoice_id}",
            lane=lane_of(invoice.account),
            account=invoice.account,
            due_at=at,
            rank=85,
            payload={"invoice_id": invoice.invoice_id},
        )
    )
    return step.work.invoices.put(final)


def settle(step: Step, invoice: Invoice, at: datetime) -> Invoice:
    """The invoice is paid; what waited for the payment is released."""
    if invoice.state == "paid":
        return invoice
    paid = msgspec.structs.replace(
        invoice, state="paid", paid=invoice.due, paid_at=at, releases=(), payment_failure=""
    )
    release(step, invoice.releases)
    tell_subscriptions(step, invoice, PAID_JOB, at)
    step.decision.notice(
        "invoice.paid",
        invoice.account,
        key=f"invoice.paid:{invoice.invoice_id}",
        invoice_id=invoice.invoice_id,
    )
    return step.work.invoices.put(paid)


def drop_invoice(step: Step, invoice_id: str) -> None:
    """What nobody will pay for any more is void, and used nothing up."""
    invoice = step.work.invoice(invoice_id)
    if invoice.state in ("draft", "finalized"):
        give_back(step, invoice)
        step.work.invoices.put(msgspec.structs.replace(invoice, state="void"))


def drop_unpaid(step: Step, subscription: Subscription) -> None:
    """Invoices of this subscription alone whose payment has failed are void: it ended before it began."""
    for invoice in step.work.invoices.find(account=subscription.account, state="finalized", order="row"):
        concerned = {line.subscription_id for line in invoice.lines}
        if invoice.payment_failure and concerned == {subscription.subscription_id}:
            drop_invoice(step, invoice.invoice_id)


def release_instead(step: Step, account: str, grant_id: str, by: str) -> None:
    """What set the pending grant free sets ``by`` free, which stands in its place."""
    for invoice in step.work.invoices.find(account=account, order="row"):
        if any(each.grant_id == grant_id for each in invoice.releases):
            releases = tuple(
                msgspec.structs.replace(each, grant_id=by) if each.grant_id == grant_id else each
                for each in invoice.releases
            )
            step.work.invoices.put(msgspec.structs.replace(invoice, releases=releases))


def release(step: Step, releases: tuple[GrantRelease, ...]) -> None:
    """The grants are spendable."""
    for each in releases:
        step.decision.command(each.account, release_grant(each.account, each.grant_id))
