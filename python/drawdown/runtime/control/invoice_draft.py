"""A draft as a reader sees it: with the lines and sums that it would have if it became final now."""

from drawdown.billing.invoice import DRAFT_STATES, Invoice
from drawdown.runtime.control.arrears_steps import with_usage
from drawdown.runtime.control.invoice_foot import foot
from drawdown.runtime.control.step import Step


def as_it_would_be(step: Step, invoice: Invoice) -> Invoice:
    """The invoice; of a draft, what it would be now. Nothing is stored or used up."""
    if invoice.state not in DRAFT_STATES:
        return invoice
    return foot(step, with_usage(step, invoice))
