"""Invoice credits, previews, pages, credit notes, and invoices nobody will pay."""

from __future__ import annotations

import base64
from fractions import Fraction

import msgspec

from drawdown import errors
from drawdown.billing.invoice import Invoice, InvoiceLine, line_of
from drawdown.billing.invoice_credit import InvoiceCredit, check_invoice_credit, in_order, voided
from drawdown.billing.invoice_credit_requests import (
    CloseInvoice,
    CreateCreditNote,
    CreateInvoiceCredit,
    InvoiceCredits,
    ListInvoiceCredits,
    PreviewInvoice,
    RenderedInvoice,
    RenderInvoice,
    VoidInvoiceCredit,
)
from drawdown.billing.page import PageInput, page_of
from drawdown.billing.page_translations import words_for
from drawdown.billing.purchase import LINE_PREFIX
from drawdown.billing.totals import taken_back
from drawdown.billing.withdrawal import rest_id, withdrawal
from drawdown.model.ids import check_id
from drawdown.model.money import Money, total
from drawdown.runtime.control.arrears_steps import usage_so_far
from drawdown.runtime.control.catalog_calls import latest_plan
from drawdown.runtime.control.credit_notes import left_of, line_taken_back, notes_of, put_note
from drawdown.runtime.control.invoice_closing import give_up_usage, look_again_at_held, with_its_usage
from drawdown.runtime.control.invoice_draft import as_it_would_be
from drawdown.runtime.control.invoice_foot import credits_of, foot, give_back, keep_note
from drawdown.runtime.control.invoice_parties import printed_with
from drawdown.runtime.control.invoicing import release_instead
from drawdown.runtime.control.late_payments import look_for_payment
from drawdown.runtime.control.purchase_invoices import require_not_of_purchase
from drawdown.runtime.control.purchase_jobs import require_no_refund_waits
from drawdown.runtime.control.registry import handles
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.subscription_hooks import GIVEN_UP_JOB, tell_subscriptions
from drawdown.subscriptions.identifiers import INVOICE_PREFIXES, lane_of


@handles(CreateInvoiceCredit)
def create_invoice_credit(step: Step, request: CreateInvoiceCredit) -> InvoiceCredit:
    """Made as sent, at the account's present; never edited."""
    given = request.credit
    check_invoice_credit(given)
    if given.applied is not None or given.voided_at is not None or given.forfeited is not None:
        raise errors.InvalidRequestError("applied: a new credit is whole", field="applied")
    step.profile(given.account)
    if not step.work.first_time(request, given.credit_id):
        return _credit(step, given.credit_id)
    _require_names_of_lines(step, given.scope.lines)
    return step.work.invoice_credits.put(
        msgspec.structs.replace(given, created_at=step.now_of(given.account))
    )


def _require_names_of_lines(step: Step, names: tuple[str, ...]) -> None:
    """Raises where a name is that of a meter and of nothing that has lines: such a credit never applied; and
    where it is a pack's and a plan's, as it would pay for the lines of both."""
    if not names:
        return
    for name in names:
        plan = latest_plan(step, name)
        if plan is not None and step.work.packs.get(pack_id=name) is not None:
            raise errors.InvalidRequestError(
                f"scope.lines: {name!r} is a pack and a plan; name a version of the plan, like "
                f"{plan.key!r}, or the class add_ons",
                field="scope.lines",
            )
    catalog = step.engine.catalog()
    meters = {each.key for each in catalog.meters} - {each.name for each in catalog.credit_types}
    for name in [each for each in names if each in meters]:
        if step.work.packs.get(pack_id=name) is None and latest_plan(step, name) is None:
            raise errors.InvalidRequestError(
                f"scope.lines: {name!r} is a meter, and usage is on invoices as overage of a credit type; "
                f"name the credit type that {name!r} burns, or the class usage_meters",
                field="scope.lines",
            )


def _credit(step: Step, credit_id: str) -> InvoiceCredit:
    found = step.work.invoice_credits.get(credit_id=credit_id)
    if found is None or not found.account.startswith(step.account_prefix):
        raise errors.NotFoundError(
            f"there is no invoice credit {credit_id[:128]!r}", reason="CREDIT_UNKNOWN", field="credit_id"
        )
    return found


@handles(ListInvoiceCredits)
def list_invoice_credits(step: Step, request: ListInvoiceCredits) -> InvoiceCredits:
    """All of them, in the order in which they apply."""
    step.profile(request.account)
    return InvoiceCredits(credits=tuple(in_order(credits_of(step, request.account))))


@handles(VoidInvoiceCredit)
def void_invoice_credit(step: Step, request: VoidInvoiceCredit) -> InvoiceCredit:
    """Forfeited for ever; a second void changes nothing."""
    found = _credit(step, request.credit_id)
    if not request.confirm:
        raise errors.InvalidRequestError(
            "confirm: a void cannot be undone and forfeits what is left; say confirm=True", field="confirm"
        )
    return step.work.invoice_credits.put(voided(found, step.now_of(found.account)))


@handles(PreviewInvoice)
def preview_invoice(step: Step, request: PreviewInvoice) -> Invoice:
    """What the open period owes so far, with its credits: overage until now and charges that wait.

    There is an invoice per currency, and the preview is of one: in the customer's currency, or where that
    owes nothing, in that of the subscription whose period ends first of those that do.
    """
    profile = step.profile(request.account)
    customer = step.customer_of(request.account)
    now = step.now_of(request.account)
    lines: list[InvoiceLine] = []
    live = step.work.subscriptions.find(account=request.account, live=True)
    for subscription, usage in usage_so_far(step, request.account, live):
        lines += [line_of(each) for each in (*subscription.waiting_charges, *usage)]
    owed_in = [each.amount.currency for each in lines]
    currency = customer.currency if not lines or customer.currency in owed_in else owed_in[0]
    draft = Invoice(
        invoice_id="preview",
        account=request.account,
        customer_id=profile.customer_id,
        currency=currency,
        state="draft",
        created_at=now,
        lines=tuple(each for each in lines if each.amount.currency == currency),
        test_clock=profile.test_clock,
    )
    return foot(step, draft)


@handles(RenderInvoice)
def render_invoice(step: Step, request: RenderInvoice) -> RenderedInvoice:
    """The same figures in either form; a draft shows what it would be now."""
    from drawdown.billing.rendering import html_of, pdf_of

    invoice = step.work.invoice(request.invoice_id, step.account_prefix)
    if request.format not in ("html", "pdf"):
        raise errors.InvalidRequestError("format: html or pdf", field="format")
    shown = as_it_would_be(step, invoice)
    if shown.totals is None:
        # It was void before it was final.
        shown = foot(step, shown)
    seller, buyer, zone = printed_with(step, shown)
    assert shown.totals is not None
    page = page_of(
        PageInput(
            kind="credit_note" if shown.corrects else shown.state,
            number=shown.number,
            account=shown.account,
            issued_at=shown.finalized_at or shown.created_at,
            period=shown.period,
            lines=shown.lines,
            applications=shown.applications,
            credits=credits_of(step, shown.account),
            totals=shown.totals,
            seller=seller,
            buyer=buyer,
            paid_at=None if shown.corrects else shown.paid_at,
            time_zone=zone,
            locale=request.locale,
            words=words_for(request.locale),
            note=shown.note,
            advance=shown.advance if shown.advance_state == "paid" else None,
            closes_at=shown.closes_at,
            corrects=step.work.invoice(shown.corrects).number if shown.corrects else "",
        )
    )
    if request.format == "html":
        return RenderedInvoice(content_type="text/html; charset=utf-8", content=html_of(page))
    return RenderedInvoice(content_type="application/pdf", content=base64.b64encode(pdf_of(page)).decode())


@handles(CreateCreditNote)
def create_credit_note(step: Step, request: CreateCreditNote) -> Invoice:
    """A note of its own: its money is the account's as far as that was paid; credits are withdrawn."""
    check_id(request.note_id, "note_id")
    invoice = step.work.invoice(request.invoice_id, step.account_prefix)
    if not step.work.first_time(request, request.note_id):
        return step.work.invoice(request.note_id)
    _require_free_id(request.note_id)
    line, before, left = _line_taken_back(step, request, invoice)
    _require_no_refund_waits(step, invoice.account, line, request.grant_id)
    taken_back_line = line_taken_back(line, request.note_id, request.amount)
    assert invoice.totals is not None
    earlier = [tax for note in notes_of(step, invoice) if note.totals for tax in note.totals.taxes]
    taxes = taken_back(invoice.totals.taxes, before, request.amount, earlier)
    note = put_note(step, invoice, request.note_id, (taken_back_line,), taxes, request.reason)
    keep_note(step, invoice, note)
    if request.grant_id:
        _withdraw(step, note, request.grant_id, Fraction(request.amount.minor, left))
    return note


def _require_free_id(note_id: str) -> None:
    """Raises ``InvalidRequestError`` where an invoice of ours could have the id, now or later."""
    if note_id.startswith(INVOICE_PREFIXES):
        raise errors.InvalidRequestError(
            f"note_id: {note_id!r} begins like the id of an invoice; choose another", field="note_id"
        )


def _require_no_refund_waits(step: Step, account: str, line: InvoiceLine, grant_id: str) -> None:
    """Raises ``PreconditionError`` where a refund is under way that has the line's money or the credits."""
    named = {line.line_id.removeprefix(LINE_PREFIX)} if line.line_id.startswith(LINE_PREFIX) else set()
    if grant_id:
        named.add(step.engine.grant(account, grant_id).source_reference)
    for purchase_id in sorted(named):
        purchase = step.work.purchases.get(purchase_id=purchase_id)
        if purchase is not None:
            require_no_refund_waits(step, purchase)


def _withdraw(step: Step, note: Invoice, grant_id: str, part: Fraction) -> None:
    """The credits that the note is for go, as far as they are unspent; a plan's grant stays its own."""
    account = note.account
    grant = step.engine.grant(account, grant_id)
    step.require(
        account,
        withdrawal(account, grant, note_id=note.invoice_id, part=part, reason=f"credit note {note.number}"),
    )
    if part < 1 and grant.state == "pending":
        release_instead(step, account, grant_id, rest_id(note.invoice_id))
    for subscription in step.work.subscriptions.find(account=account, live=True):
        if part < 1 and any(own.grant_id == grant_id for own in subscription.own_grants):
            own_grants = tuple(
                msgspec.structs.replace(own, grant_id=rest_id(note.invoice_id), amount=None)
                if own.grant_id == grant_id
                else own
                for own in subscription.own_grants
            )
            step.work.subscriptions.put(msgspec.structs.replace(subscription, own_grants=own_grants))


def _line_taken_back(
    step: Step, request: CreateCreditNote, invoice: Invoice
) -> tuple[InvoiceLine, Money, int]:
    """The line, what notes took back of the whole invoice before, and what is left of the line.

    Raises where the note would take back more than the line came to: promotional money is not paid out.
    """
    if invoice.state not in ("finalized", "paid", "uncollectible") or invoice.corrects:
        raise errors.PreconditionError(
            f"invoice {invoice.invoice_id!r} is {invoice.state}; a note corrects a final invoice",
            reason="INVOICE_NOT_FINALIZED",
        )
    line = next((each for each in invoice.lines if each.line_id == request.line_id), None)
    if line is None:
        raise errors.InvalidRequestError(
            f"line_id: invoice {invoice.invoice_id!r} has no line {request.line_id[:128]!r}", field="line_id"
        )
    notes = notes_of(step, invoice)
    taken = [each for note in notes for each in note.lines]
    left = left_of(invoice, line, notes).minor
    if request.amount.currency != invoice.currency or not 0 < request.amount.minor <= left:
        raise errors.InvalidRequestError(
            f"amount: above 0 and at most what is left of the line, {left} minor units of {invoice.currency}",
            field="amount",
        )
    return line, -total([each.amount for each in taken], invoice.currency), left


def _require_unpaid(invoice: Invoice, state: str) -> None:
    """Raises ``PreconditionError`` where money was paid in advance that this would forget."""
    if invoice.advance_state != "paid" or not invoice.advance:
        return
    if state == "void" or invoice.waits_for_usage:
        raise errors.PreconditionError(
            f"invoice {invoice.invoice_id!r}: {invoice.advance} of it is paid; when it is final, correct it "
            "with a credit note or close it as uncollectible",
            reason="INVOICE_PAID_IN_ADVANCE",
        )


@handles(CloseInvoice)
def close_invoice(step: Step, request: CloseInvoice) -> Invoice:
    """It will not be paid, and nothing that waited for it is released."""
    invoice = step.work.invoice(request.invoice_id, step.account_prefix)
    if request.state not in ("uncollectible", "void"):
        raise errors.InvalidRequestError("state: uncollectible or void", field="state")
    if invoice.state == request.state:
        return invoice
    if invoice.state not in ("draft", "finalized", "uncollectible"):
        raise errors.PreconditionError(
            f"invoice {invoice.invoice_id!r} is {invoice.state}; only an open one is closed",
            reason="INVOICE_CLOSED",
        )
    require_not_of_purchase(invoice)
    if invoice.state == "draft" and request.state == "uncollectible":
        raise errors.PreconditionError(
            f"invoice {invoice.invoice_id!r} is a draft, and nobody was asked to pay it: make it "
            "void, or approve it",
            reason="INVOICE_IS_DRAFT",
        )
    _require_unpaid(invoice, request.state)
    if request.state == "void":
        give_back(step, invoice)
    kind = "invoice.voided" if request.state == "void" else "invoice.uncollectible"
    step.decision.notice(
        kind, invoice.account, key=f"{kind}:{invoice.invoice_id}", invoice_id=invoice.invoice_id
    )
    tell_subscriptions(step, invoice, GIVEN_UP_JOB, step.now_of(invoice.account), request.state)
    step.run_now(lane_of(invoice.account))
    look_for_payment(step, invoice)
    closed = msgspec.structs.replace(
        with_its_usage(step, invoice), state=request.state, retry_at=None, held=""
    )
    step.work.invoices.put(closed)
    if request.state == "void":
        give_up_usage(step, closed)
    if invoice.held:
        look_again_at_held(step, invoice.account, step.now_of(invoice.account))
    return closed
