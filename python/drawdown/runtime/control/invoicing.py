"""Lines onto the invoice of a period, and what follows when an invoice is paid or approved.

::

    boundary                                   + invoice_grace
    draft: fees and credits of the new period  usage of the old one joins  → final, numbered
    advance asked for → credits released       the rest is asked for

One invoice per account, billing period and currency: so what is due in advance is not an invoice of its own
but a payment before the invoice is final. Where no usage is priced behind, nothing waits. Only plans that are
released on approval have theirs beside it, which is final when somebody approves it.
"""

from collections.abc import Callable, Collection
from datetime import datetime

import msgspec

from drawdown.billing.invoice import DRAFT_STATES, Invoice, InvoiceLine, line_of
from drawdown.billing.purchase import LINE_PREFIX
from drawdown.catalog.plan import Plan
from drawdown.model.commands import VoidGrant
from drawdown.model.decision import Job
from drawdown.model.money import Money
from drawdown.runtime.control.invoice_foot import add_to_balance, foot, give_back, keep_noted, use_up
from drawdown.runtime.control.invoice_parties import with_parties
from drawdown.runtime.control.late_payments import look_for_payment
from drawdown.runtime.control.releasing import release
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.subscription_hooks import PAID_JOB, UNPAID_JOB, tell_subscriptions
from drawdown.storage.sql import tables
from drawdown.subscriptions.arrears import Arrears
from drawdown.subscriptions.calendar import Period
from drawdown.subscriptions.charge import Charge
from drawdown.subscriptions.identifiers import approval_invoice_id, further_invoice_id, invoice_id, lane_of
from drawdown.subscriptions.renewing import IN_ADVANCE, period_stem
from drawdown.subscriptions.subscription import Subscription

# Marks a void invoice whose late payment the bank has taken back before it was told.
TAKEN_BACK = "payment.taken_back"

FINALIZE_JOB = "invoice.finalize"
CLOSE_JOB = "invoice.close"
ADVANCE_JOB = "invoice.advance"
COLLECT_JOB = "invoice.collect"


def invoice_of_period(step: Step, subscription: Subscription, period: Period) -> Invoice | None:
    """The invoice with what the subscription pays for its billing period in advance.

    It is the account's for the period, the one beside it where that was final, or that of the change which
    began the period. ``None``: the period is settled elsewhere.
    """
    number = max(0, subscription.billing.number_at(period.start))
    stem = f"{period_stem(subscription, number)}:"
    plan = step.work.plan(subscription.plan_id, subscription.version)
    regular: Invoice | None = None
    for first in _first_ids(subscription, plan, period):
        invoice = step.work.invoices.get(invoice_id=first)
        if invoice is not None and any(line.line_id.startswith(stem) for line in invoice.lines):
            return invoice
        further = step.work.invoices.get(invoice_id=further_invoice_id(first, subscription.subscription_id))
        if further is not None:
            return further
        regular = regular or invoice
    found: Invoice | None = None
    if number == 0 and subscription.epoch > 0:
        lines = (invoice_with_line(step, subscription, f"{stem}{kind}") for kind in IN_ADVANCE)
        found = next((each for each in lines if each is not None), None)
    return found or regular


def _first_ids(subscription: Subscription, plan: Plan, period: Period) -> tuple[str, str]:
    """The account's invoices of the period: first the plan's own, then the one a plan before it may have.

    What waits for approval has one of its own: it must not become final with what only waits for payment,
    nor hold that up.
    """
    regular = invoice_id(subscription.account, period.start, subscription.currency)
    approval = approval_invoice_id(regular)
    return (approval, regular) if plan.release == "on_approval" else (regular, approval)


def must_wait(plan: Plan, invoice: Invoice | None) -> bool:
    """Whether credits wait for their invoice; with none, their period is settled elsewhere."""
    if plan.release == "immediate" or invoice is None or "paid" in (invoice.state, invoice.advance_state):
        return False
    if plan.release == "on_approval":
        return invoice.state == "draft"
    return True


def invoice_with_line(step: Step, subscription: Subscription, line_id: str) -> Invoice | None:
    """The newest invoice of the account that has the line."""
    table = tables.billing.invoice
    # As the body has it: ids may have quotes and backslashes.
    written = msgspec.json.encode(line_id).decode()
    for invoice in step.work.invoices.find(
        table.c.body.contains(f'"line_id":{written}', autoescape=True),
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
    arrears: tuple[Arrears, ...] = (),
) -> Invoice:
    """The charges are on the account's invoice of the period, which is made on the first of them.

    Those of a plan released on approval are on one that nothing makes final but the approval.

    With ``own_id`` they are on an invoice of that id, for what is charged in the midst of a period. With
    ``arrears`` it waits for usage of those periods.
    """
    first = own_id or _first_ids(subscription, plan, period)[0]
    known = step.work.invoices.get(invoice_id=first)
    profile = step.profile(subscription.account)
    if known is None or known.state != "draft" or known.advance is not None:
        invoice = Invoice(
            invoice_id=first if known is None else further_invoice_id(first, subscription.subscription_id),
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
    if arrears:
        # All that an invoice waits for ended at its boundary.
        closes_at = invoice.closes_at or arrears[-1].until + step.plane.invoice_grace
        invoice = msgspec.structs.replace(invoice, arrears=(*invoice.arrears, *arrears), closes_at=closes_at)
        _job(step, CLOSE_JOB, invoice, closes_at, rank=75)
    step.work.invoices.put(invoice)
    _note_bought(step, invoice, charges)
    if plan.release != "on_approval":
        _job(step, FINALIZE_JOB, invoice, period.start, rank=80)
    if invoice.waits_for_usage or plan.release == "on_approval":
        tell_created(step, invoice)
    return invoice


def _note_bought(step: Step, invoice: Invoice, charges: list[Charge]) -> None:
    """Purchases billed later know the invoice that has their line."""
    for each in charges:
        if each.charge_id.startswith(LINE_PREFIX):
            purchase = step.work.purchase(each.charge_id.removeprefix(LINE_PREFIX))
            step.work.purchases.put(msgspec.structs.replace(purchase, invoice_id=invoice.invoice_id))


def _job(step: Step, kind: str, invoice: Invoice, due_at: datetime, *, rank: int) -> None:
    step.decision.job(
        Job(
            kind=kind,
            key=f"{kind}:{invoice.invoice_id}",
            lane=lane_of(invoice.account),
            account=invoice.account,
            due_at=due_at,
            rank=rank,
            payload={"invoice_id": invoice.invoice_id},
        )
    )


def tell_created(step: Step, invoice: Invoice) -> None:
    """Of a draft that somebody can look at before it is final, once: when it has its first line."""
    if invoice.lines:
        tell(step, "invoice.created", invoice)


def tell(step: Step, kind: str, invoice: Invoice, **facts: object) -> None:
    """A notice of what happens to an invoice once at most."""
    step.decision.notice(
        kind, invoice.account, key=f"{kind}:{invoice.invoice_id}", invoice_id=invoice.invoice_id, **facts
    )


def ask_in_advance(step: Step, invoice: Invoice, at: datetime) -> Invoice:
    """What stands on a draft is asked for, once; what waits for payment does not wait for late usage."""
    if invoice.advance is not None:
        return invoice
    asked = msgspec.structs.replace(invoice, advance=foot(step, invoice).due, advance_state="asked")
    if asked.advance is None or asked.advance.minor <= 0:
        return settle_advance(step, asked, at)
    _job(step, ADVANCE_JOB, invoice, at, rank=85)
    return step.work.invoices.put(asked)


def settle_advance(step: Step, invoice: Invoice, at: datetime) -> Invoice:
    """The advance is paid; what waited for the payment is released."""
    if invoice.advance is None or invoice.advance_state == "paid":
        return invoice
    if invoice.state == "paid":
        # Somebody marked it paid while the provider was asked: what came besides is the account's.
        add_to_balance(step, invoice.account, invoice.advance)
        tell(step, "payment.succeeded", invoice, price=str(invoice.advance), to_balance=str(invoice.advance))
        return step.work.invoices.put(msgspec.structs.replace(invoice, advance_state="paid"))
    paid = msgspec.structs.replace(invoice, advance_state="paid", releases=(), payment_failure="")
    release(step, invoice, invoice.releases)
    tell_subscriptions(step, invoice, PAID_JOB, at, "advance")
    if invoice.advance.minor > 0:
        tell(step, "payment.succeeded", invoice, price=str(invoice.advance))
    # One that was given up is settled where the advance was all of it.
    settles = paid.state == "finalized" or (paid.state == "uncollectible" and paid.rest.minor <= 0)
    return _ask_for_rest(step, paid, at) if settles else step.work.invoices.put(keep_noted(step, paid))


def fail_advance(step: Step, invoice: Invoice, reason: str, at: datetime) -> Invoice:
    """The advance is not paid; all of the invoice is asked for when it is final."""
    if invoice.advance_state != "asked":
        return invoice
    failed = msgspec.structs.replace(invoice, advance_state="failed", payment_failure=reason)
    tell_subscriptions(step, invoice, UNPAID_JOB, at, "advance")
    step.decision.notice(
        "payment.failed",
        invoice.account,
        key=f"payment.failed:advance:{invoice.invoice_id}",
        invoice_id=invoice.invoice_id,
        reason=reason,
    )
    return _ask_for_rest(step, failed, at) if failed.state == "finalized" else step.work.invoices.put(failed)


def finalize(step: Step, invoice: Invoice, at: datetime) -> Invoice:
    """The invoice has its number and never changes again; what is due is asked for."""
    if invoice.state not in DRAFT_STATES:
        return invoice
    final = numbered(step, invoice, at)
    if final.advance_state == "asked":
        # One payment at a time: what becomes of it says what is left to ask for.
        return final
    return _ask_for_rest(step, final, at)


def numbered(step: Step, invoice: Invoice, at: datetime) -> Invoice:
    """The draft is final: with its number, and what is set against it is used up."""
    series = "T" if invoice.test_clock else "I"
    final = msgspec.structs.replace(
        foot(step, with_parties(step, invoice)),
        state="finalized",
        number=f"{series}-{step.work.series.following(f'invoice:{series}'):08d}",
        finalized_at=at,
    )
    use_up(step, final)
    tell(step, "invoice.finalized", final)
    return step.work.invoices.put(final)


def _ask_for_rest(step: Step, invoice: Invoice, at: datetime) -> Invoice:
    """What is left of a final invoice is asked for; what was paid too much is the account's."""
    rest = invoice.rest
    if rest.minor > 0:
        _job(step, COLLECT_JOB, invoice, at, rank=85)
        return step.work.invoices.put(keep_noted(step, invoice))
    add_to_balance(step, invoice.account, -rest)
    return settle(step, invoice, at)


def take_payment(step: Step, invoice: Invoice, at: datetime) -> Invoice:
    """What was left of a final invoice has been paid: told, and settled."""
    if invoice.state != "paid" and invoice.rest.minor > 0:
        step.decision.notice(
            "payment.succeeded",
            invoice.account,
            # Beside that of what was paid in advance.
            key=f"payment.succeeded:rest:{invoice.invoice_id}",
            invoice_id=invoice.invoice_id,
            price=str(invoice.rest),
        )
    return settle(step, invoice, at)


def keep_payment(step: Step, invoice: Invoice, paid: Money) -> Invoice:
    """What comes after all for a void invoice is the account's, told, and on the invoice as paid.

    Once: one payment at most was on its way when it became void, and what is said of that may be repeated.
    Not what the bank has taken back already: its word may come first.
    """
    if invoice.state != "void" or invoice.paid is not None or paid.minor <= 0:
        return invoice
    if step.work.calls_seen.has(TAKEN_BACK, invoice.invoice_id):
        return invoice
    add_to_balance(step, invoice.account, paid)
    step.decision.notice(
        "payment.succeeded",
        invoice.account,
        key=f"payment.succeeded:void:{invoice.invoice_id}",
        invoice_id=invoice.invoice_id,
        price=str(paid),
        to_balance=str(paid),
    )
    return step.work.invoices.put(msgspec.structs.replace(invoice, paid=paid))


def settle(step: Step, invoice: Invoice, at: datetime) -> Invoice:
    """The invoice is paid; what waited for the payment is released."""
    if invoice.state == "paid":
        return invoice
    paid = msgspec.structs.replace(
        invoice, state="paid", paid=invoice.due, paid_at=at, releases=(), payment_failure="", retry_at=None
    )
    release(step, invoice, invoice.releases)
    tell_subscriptions(step, invoice, PAID_JOB, at, invoice.attempts)
    tell(step, "invoice.paid", invoice)
    return step.work.invoices.put(keep_noted(step, paid))


def drop_invoice(step: Step, invoice_id: str) -> None:
    """What nobody will pay for any more is void, and used nothing up."""
    invoice = step.work.invoice(invoice_id)
    if invoice.state in ("draft", "finalized", "uncollectible"):
        give_back(step, invoice)
        look_for_payment(step, invoice)
        step.work.invoices.put(msgspec.structs.replace(invoice, state="void", retry_at=None))
        tell(step, "invoice.voided", invoice)


def void_waiting(step: Step, invoice: Invoice, subscription: Subscription) -> None:
    """Credits of the subscription that wait for the invoice are void; nothing releases them any more."""
    if not invoice.releases:
        return
    # Those of a period that is over are not among its own grants any more.
    own = {
        each.grant_id
        for each in step.engine.grants(subscription.account, ended=False)
        if each.source == "subscription" and each.source_reference == subscription.subscription_id
    }
    dropped = [each for each in invoice.releases if each.grant_id in own]
    for each in dropped:
        void = VoidGrant(account=each.account, grant_id=each.grant_id, reason="never paid for")
        step.decision.command(each.account, void)
    kept = tuple(each for each in invoice.releases if each not in dropped)
    known = step.work.invoice(invoice.invoice_id)
    step.work.invoices.put(msgspec.structs.replace(known, releases=kept))


def withdraw_unapproved(
    step: Step, account: str, voided: Collection[str], goes: Callable[[InvoiceLine], bool]
) -> None:
    """Where ``voided`` credits waited for an approval, what was to be paid for them is not on the draft.

    Of its lines in advance those that ``goes`` says. What was used, and what is given back, is owed without
    an approval too and stays; a draft that nothing is left of is void.
    """
    for draft in step.work.invoices.find(account=account, state="draft", order="row"):
        kept = tuple(each for each in draft.releases if each.on != "approval" or each.grant_id not in voided)
        if kept == draft.releases or draft.advance is not None:
            continue
        lines = tuple(
            each for each in draft.lines if not (each.in_advance and each.amount.minor >= 0 and goes(each))
        )
        if lines or draft.waits_for_usage:
            step.work.invoices.put(msgspec.structs.replace(draft, lines=lines, releases=kept))
        else:
            drop_invoice(step, draft.invoice_id)


def release_instead(step: Step, account: str, grant_id: str, by: str) -> None:
    """What set the pending grant free sets ``by`` free, which stands in its place."""
    for invoice in step.work.invoices.find(account=account, order="row"):
        if any(each.grant_id == grant_id for each in invoice.releases):
            releases = tuple(
                msgspec.structs.replace(each, grant_id=by) if each.grant_id == grant_id else each
                for each in invoice.releases
            )
            step.work.invoices.put(msgspec.structs.replace(invoice, releases=releases))
