"""Usage of an account looked at for invoices: one billing period, or part of one, after the other."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from drawdown.billing.invoice import Invoice, line_of
from drawdown.billing.overage import (
    LateUsage,
    OverageBilled,
    UsagePeriod,
    credits_of,
    overage_noted,
    overage_owed,
)
from drawdown.catalog.pricing import Price
from drawdown.model.money import Money, zero
from drawdown.runtime.control.invoicing import invoice_with_line
from drawdown.runtime.control.step import Step
from drawdown.subscriptions.arrears import (
    Arrears,
    late_charge,
    minimum_charge,
    overage_charge,
    overage_cost,
    overage_line_id,
    overage_price,
)
from drawdown.subscriptions.charge import Charge


class UsageClosing:
    """Usage of one account that is looked at for invoices, one billing period after the other."""

    def __init__(self, step: Step, account: str) -> None:
        self._step = step
        self._account = account
        self._usage: dict[str, list[UsagePeriod]] = {}
        self.billed: dict[str, OverageBilled] = {}
        """As it is when all that was looked at is billed, by credit type."""
        self._overage: dict[str, Money] = {}
        """Of all credit types of a billing period, which has one minimum."""

    def lines_onto(self, invoice: Invoice) -> Invoice:
        have = {line.line_id for line in invoice.lines}
        charges = [charge for owed in invoice.arrears for charge in self._charges(owed)]
        lines = (line_of(each) for each in charges if each.charge_id not in have)
        return msgspec.structs.replace(invoice, lines=(*invoice.lines, *lines))

    def _charges(self, owed: Arrears) -> list[Charge]:
        charges = self.usage_charges(owed) if owed.credit_type else []
        subscription = self._step.work.subscription(owed.subscription_id)
        overage = self._overage.get(owed.arrears_id, zero(subscription.currency))
        for each in charges:
            overage = overage + each.amount if each.kind == "overage" else overage
        self._overage[owed.arrears_id] = overage
        self._share_minimum(owed, overage)
        missing = minimum_charge(owed, overage)
        return charges if missing is None else [*charges, missing]

    def _share_minimum(self, owed: Arrears, overage: Money) -> None:
        """Each closed part of the period knows what the others come to: what comes late to one of them was
        paid for by the period's true-up as far as that reaches."""
        if owed.minimum is None or owed.spent is None:
            return
        for credit_type, billed in self.billed.items():
            usage = self._usage_of(credit_type)
            closed = [self._with_minimum(each, owed, billed, usage, overage) for each in billed.closed]
            self.billed[credit_type] = msgspec.structs.replace(billed, closed=tuple(closed))

    def _with_minimum(
        self, closed: Arrears, owed: Arrears, billed: OverageBilled, usage: list[UsagePeriod], overage: Money
    ) -> Arrears:
        price = self._price(closed)
        assert owed.spent is not None
        if closed.arrears_id != owed.arrears_id or price is None:
            return closed
        own = overage_cost(price, credits_of(billed, usage, closed))
        spent = owed.spent + overage - own
        return msgspec.structs.replace(closed, minimum=owed.minimum, spent=spent)

    def usage_charges(self, owed: Arrears, *, everything: bool = False) -> list[Charge]:
        """Overage of the period, and of closed ones what came late; with ``everything`` to this moment."""
        billed, usage = self.billed_and_usage(owed.credit_type)
        until = None if everything else owed.before
        found = overage_owed(billed, usage, owed.subscription_id, until)
        charges = []
        price = self._price(owed)
        # Of a part with a price of its own, some stands on a line since that price was left.
        before = found.before if owed.part else Decimal(0)
        charge = None if price is None else overage_charge(owed, price, found.credits, before)
        if charge is not None:
            charges.append(charge)
        charges += [each for late in found.late for each in self._late_charges(owed, late)]
        window = self._step.plane.dedupe_window
        self.billed[owed.credit_type] = overage_noted(billed, usage, owed, changes_for=window)
        return charges

    def billed_and_usage(self, credit_type: str) -> tuple[OverageBilled, list[UsagePeriod]]:
        """What stands on invoices, and what was counted."""
        return self._billed(credit_type), self._usage_of(credit_type)

    def _late_charges(self, owed: Arrears, late: LateUsage) -> list[Charge]:
        """At the closed period's own price; at the present one where that was in another currency."""
        price, present = self._price(late.closed), self._price(owed)
        closed = late.closed
        if price is not None and present is not None and price.currency != present.currency:
            price, closed = present, msgspec.structs.replace(closed, minimum=None)
        if price is None:
            return []
        charge = late_charge(owed, closed, price, late.before, late.credits)
        if charge.amount.minor >= 0:
            return [charge]
        if late.closed.stem in self._billed(owed.credit_type).given_up:
            return []
        back = self._paid_of(late.closed, charge.amount)
        return [msgspec.structs.replace(charge, amount=back)] if back else []

    def _paid_of(self, closed: Arrears, back: Money) -> Money:
        """What goes back (below zero) for a closed period: where its invoice was given up, no more than
        was paid of it."""
        subscription = self._step.work.subscription(closed.subscription_id)
        invoice = invoice_with_line(self._step, subscription, overage_line_id(closed, closed.credit_type))
        if invoice is None or invoice.state != "uncollectible" or invoice.totals is None:
            return back
        if invoice.currency != back.currency:
            return zero(back.currency)
        return min(back + invoice.totals.total - invoice.paid_so_far, zero(back.currency))

    def _price(self, owed: Arrears) -> Price | None:
        subscription = self._step.work.subscription(owed.subscription_id)
        return overage_price(subscription, self._step.work.plan(owed.plan_id, owed.version))

    def _billed(self, credit_type: str) -> OverageBilled:
        known = self.billed.get(credit_type)
        if known is None:
            known = self._step.work.overage_billed.get(account=self._account, credit_type=credit_type)
        return known or OverageBilled(account=self._account, credit_type=credit_type)

    def _usage_of(self, credit_type: str) -> list[UsagePeriod]:
        if credit_type not in self._usage:
            found = self._step.engine.overage(self._account, credit_type)
            self._usage[credit_type] = [UsagePeriod(start, credits) for start, credits in found]
        return self._usage[credit_type]
