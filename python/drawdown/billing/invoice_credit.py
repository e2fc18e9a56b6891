"""Invoice credits: promotional money off an invoice. Not usage credits: nothing is metered against them.

A credit applies to the lines its scope names, in order of priority (1 first), then of expiry (never
last), then of creation; each takes what is left of a line, never more, so that no line, and no
invoice, goes below zero. What is not needed stays on the credit (semantics §11).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from drawdown.billing.invoice import InvoiceLine
from drawdown.billing.page_sums import CreditApplication
from drawdown.errors import InvalidRequestError
from drawdown.model.ids import check_id
from drawdown.model.money import Money, zero
from drawdown.model.request import Value

CLASSES: Final[dict[str, frozenset[str]]] = {
    "fixed_fees": frozenset({"base_fee", "proration"}),
    "licences": frozenset({"credits"}),
    "usage_meters": frozenset({"overage"}),
    "add_ons": frozenset({"pack", "top_up"}),
}
"""Classes of lines by kind. Minimum spend and adjustments belong to none: only the whole invoice has them."""


class CreditScope(Value, frozen=True):
    """What a credit pays for; without classes and lines: the whole invoice."""

    classes: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    """Packs, plans (``pro``, or of one version ``pro@2``), and credit types, for overage of theirs."""

    @property
    def is_whole_invoice(self) -> bool:
        return not self.classes and not self.lines

    def holds(self, line: InvoiceLine) -> bool:
        """Whether the credit may pay for this line."""
        if self.is_whole_invoice:
            return True
        if any(line.kind in CLASSES[name] for name in self.classes):
            return True
        plan_id, _, _ = line.plan_key.rpartition("@")
        return bool({line.reference, line.plan_key, plan_id} & set(self.lines) - {""})


class InvoiceCredit(Value, frozen=True):
    """Immutable once made; it can only be voided. ``applied`` grows as invoices use it."""

    credit_id: str
    account: str
    name: str
    amount: Money
    created_at: datetime
    expires_at: datetime | None = None
    priority: int = 50
    scope: CreditScope = CreditScope()
    reason: str = ""
    """Shown to the customer, like the reward of a referral."""
    paid: Money | None = None
    """What the customer paid for it, where it was sold; the value may be larger (a discount)."""
    applied: Money | None = None
    voided_at: datetime | None = None
    forfeited: Money | None = None
    """What was left when it was voided."""

    @property
    def remaining(self) -> Money:
        """What may still be applied; nothing once voided."""
        if self.voided_at is not None:
            return zero(self.amount.currency)
        return self.amount if self.applied is None else self.amount - self.applied

    def state_at(self, instant: datetime) -> str:
        """``voided``, ``consumed``, ``expired`` or ``active``: the first that fits."""
        if self.voided_at is not None:
            return "voided"
        if not self.remaining:
            return "consumed"
        if self.expires_at is not None and instant >= self.expires_at:
            return "expired"
        return "active"


def check_invoice_credit(credit: InvoiceCredit) -> None:
    """Raises ``InvalidRequestError`` naming the field."""
    check_id(credit.credit_id, "credit_id")
    check_id(credit.account, "account")
    if not credit.name:
        raise InvalidRequestError("name: an invoice credit needs a name", field="name")
    if credit.amount.minor <= 0:
        raise InvalidRequestError(f"amount: {credit.amount} is not above zero", field="amount")
    if type(credit.priority) is not int or not 1 <= credit.priority <= 100:
        raise InvalidRequestError(f"priority: {credit.priority} is not 1–100", field="priority")
    unknown = [name for name in credit.scope.classes if name not in CLASSES]
    if unknown:
        raise InvalidRequestError(
            f"scope.classes: {unknown[0]!r} is not one of {', '.join(CLASSES)}", field="scope.classes"
        )
    if credit.paid is not None and (credit.paid.minor < 0 or credit.paid.currency != credit.amount.currency):
        raise InvalidRequestError(
            f"paid: not negative, and in {credit.amount.currency} like the amount", field="paid"
        )


def in_order(credits: Sequence[InvoiceCredit]) -> list[InvoiceCredit]:
    """The order in which credits apply: the same input always gives the same order."""

    def rank(credit: InvoiceCredit) -> tuple[int, bool, float, datetime, str]:
        expires = 0.0 if credit.expires_at is None else credit.expires_at.timestamp()
        return credit.priority, credit.expires_at is None, expires, credit.created_at, credit.credit_id

    return sorted(credits, key=rank)


def apply_credits(
    lines: Sequence[InvoiceLine], credits: Sequence[InvoiceCredit], judged_at: datetime
) -> list[CreditApplication]:
    """What each credit pays of each line, in order.

    ``judged_at`` is the last instant of the invoice's period (of a one-off invoice: its issue); a credit
    is valid there or not at all. Lines below zero lower what the invoice as a whole can take, and what the
    credits that are for them can.
    """
    open_of = {line.line_id: line.amount.minor for line in lines if line.amount.minor > 0}
    left = sum(line.amount.minor for line in lines)
    applications: list[CreditApplication] = []
    for credit in in_order(credits):
        if credit.state_at(judged_at) != "active":
            continue
        held = [line for line in lines if credit.scope.holds(line)]
        ids = {line.line_id for line in held}
        credited = sum(each.amount.minor for each in applications if each.line_id in ids)
        matching = sum(line.amount.minor for line in held) - credited
        rest = min(credit.remaining.minor, left, matching)
        for line in held:
            paid = min(rest, open_of.get(line.line_id, 0))
            if paid <= 0 or line.amount.currency != credit.amount.currency:
                continue
            applications.append(
                CreditApplication(
                    credit_id=credit.credit_id,
                    line_id=line.line_id,
                    amount=Money(paid, credit.amount.currency),
                )
            )
            open_of[line.line_id] -= paid
            rest -= paid
            left -= paid
    return applications


def with_applied(credit: InvoiceCredit, applications: Sequence[CreditApplication]) -> InvoiceCredit:
    """The credit after an invoice used it."""
    used = credit.applied or zero(credit.amount.currency)
    for each in applications:
        if each.credit_id == credit.credit_id:
            used = used + each.amount
    return msgspec.structs.replace(credit, applied=used)


def without_applied(credit: InvoiceCredit, applications: Sequence[CreditApplication]) -> InvoiceCredit:
    """The credit as if that invoice had not used it."""
    used = credit.applied or zero(credit.amount.currency)
    given_back = [each.amount for each in applications if each.credit_id == credit.credit_id]
    for each in given_back:
        used = used - each
    return msgspec.structs.replace(credit, applied=used) if given_back else credit


def voided(credit: InvoiceCredit, at: datetime) -> InvoiceCredit:
    """The credit voided: its remainder is forfeited at once, what was applied stays. A second void
    changes nothing."""
    if credit.voided_at is not None:
        return credit
    return msgspec.structs.replace(credit, voided_at=at, forfeited=credit.remaining)
