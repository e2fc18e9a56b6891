"""Who an invoice is from and to: of a draft as they stand now, of a final one as they stood then."""

import msgspec

from drawdown.billing.invoice import Invoice
from drawdown.billing.invoice_party import InvoiceParty
from drawdown.billing.page import Party
from drawdown.runtime.control.step import Step


def with_parties(step: Step, invoice: Invoice) -> Invoice:
    """The invoice with what it is printed with from now on."""
    customer = step.customer_of(invoice.account)
    buyer = InvoiceParty(
        name=customer.name or customer.customer_id,
        address=customer.address,
        email=customer.email,
        tax_id=customer.tax_id,
    )
    seller = InvoiceParty(**msgspec.structs.asdict(step.plane.seller))
    return msgspec.structs.replace(invoice, seller=seller, buyer=buyer, time_zone=customer.time_zone)


def printed_with(step: Step, invoice: Invoice) -> tuple[Party, Party, str]:
    """Seller, buyer and the zone of its dates. One issued before they were kept has those of now."""
    known = invoice if invoice.seller is not None else with_parties(step, invoice)
    assert known.seller is not None
    assert known.buyer is not None
    seller, buyer = (Party(**msgspec.structs.asdict(each)) for each in (known.seller, known.buyer))
    return seller, buyer, known.time_zone
