"""Payments that were asked for and have not been answered when their invoice stops waiting for them.

An invoice becomes void, is given up or is marked paid, and nobody asks for its money any more. What was asked
for by then may have been taken all the same: the provider is looked at, and money that came besides is the
account's. Before an invoice is marked paid it is looked at too: whoever marks it may mean that very payment,
whose callback was lost.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from drawdown import errors
from drawdown.billing.invoice import Invoice
from drawdown.billing.retrying import advance_key, attempt_key
from drawdown.model.decision import Job
from drawdown.model.money import Money
from drawdown.payments import Charge, ChargeState
from drawdown.runtime.control.invoice_foot import add_to_balance
from drawdown.runtime.control.step import Step
from drawdown.storage.sql.jobs import StoredJob
from drawdown.subscriptions.identifiers import lane_aside, lane_of

if TYPE_CHECKING:
    from drawdown.runtime.control.control_plane import ControlPlane

_log = logging.getLogger("drawdown.control")

LOOK_JOB: Final = "invoice.look"
# A provider's search may lag a minute behind its charges, and behind an outage of its own longer.
LOOKS: Final = (timedelta(minutes=1), timedelta(hours=1))
_MARKED: Final = "payment.marked"
_KEPT: Final = "payment.kept"


def look_for_payment(step: Step, invoice: Invoice) -> None:
    """What may have been asked for of the invoice, as it stands, is looked for at the provider."""
    key = key_on_its_way(invoice)
    for wait in LOOKS if key else ():
        step.decision.job(
            Job(
                kind=LOOK_JOB,
                key=f"{LOOK_JOB}:{key}:{wait.seconds}",
                lane=lane_aside(lane_of(invoice.account)),
                account=invoice.account,
                due_at=step.now_of(invoice.account) + wait,
                rank=85,
                payload={"invoice_id": invoice.invoice_id, "key": key},
            )
        )


def key_on_its_way(invoice: Invoice) -> str:
    """Ours of the one payment that may be; empty: none can. A purchase sees to its own."""
    if invoice.purchase_id:
        return ""
    if invoice.advance_state == "asked":
        return advance_key(invoice.invoice_id)
    is_asked = invoice.state in ("finalized", "uncollectible") and invoice.rest.minor > 0
    return attempt_key(invoice.invoice_id, invoice.attempts) if is_asked else ""


def look_before_marking(plane: ControlPlane, invoice: Invoice) -> Charge | None:
    """The payment on its way where it has succeeded; ``None`` also where the provider cannot be asked."""
    key = key_on_its_way(invoice)
    try:
        found = look_up(plane, key) if key else None
    except errors.DrawdownError as fault:
        _log.warning("the provider could not be looked at: %s", fault, extra={"invoice": invoice.invoice_id})
        return None
    return found if found is not None and found.state is ChargeState.SUCCEEDED else None


def look_of(_: Step, job: StoredJob) -> str:
    """The key to look for."""
    key: str = job.payload["key"]
    return key


def look_up(plane: ControlPlane, key: str) -> Charge | None:
    """The charge as the provider has it; none is made."""
    return plane.provider.find_charge(key)


def note_marked(step: Step, invoice: Invoice) -> None:
    """Somebody says that what is asked for of the invoice was paid elsewhere: it may be paid here too."""
    key = key_on_its_way(invoice)
    if not key:
        return
    # Of a final invoice the advance says itself whether it was paid.
    if invoice.advance_state != "asked" or invoice.waits_for_usage:
        step.work.calls_seen.note(_MARKED, key)
    look_for_payment(step, invoice)


def keep_besides(step: Step, invoice: Invoice, key: str, paid: Money) -> None:
    """What comes for an invoice after it was marked paid is the account's, told, once; else nothing is."""
    if not step.work.calls_seen.has(_MARKED, key) or not step.work.calls_seen.note(_KEPT, key):
        return
    add_to_balance(step, invoice.account, paid)
    step.decision.notice(
        "payment.succeeded",
        invoice.account,
        key=f"payment.succeeded:besides:{key}",
        invoice_id=invoice.invoice_id,
        price=str(paid),
        to_balance=str(paid),
    )
