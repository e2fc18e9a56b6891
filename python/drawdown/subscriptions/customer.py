"""The party who buys, and its accounts as the control plane knows them."""

from datetime import datetime

from drawdown.errors import InvalidRequestError
from drawdown.model.currencies import decimals_of
from drawdown.model.ids import check_id
from drawdown.model.request import Value
from drawdown.subscriptions.calendar import zone_of


class Customer(Value, frozen=True):
    """May own several accounts; pays in one currency."""

    customer_id: str
    name: str = ""
    email: str = ""
    currency: str = "USD"
    country: str = ""
    """ISO 3166 alpha-2; picks localised prices."""
    time_zone: str = "UTC"
    payment_method: str = ""
    """At the payment provider; empty: none on file."""
    provider_id: str = ""
    """The customer's id at the payment provider."""
    address: tuple[str, ...] = ()
    tax_id: str = ""
    metadata: dict[str, str] = {}


class AccountProfile(Value, frozen=True):
    """What the control plane keeps about an account beside the engine's own."""

    account: str
    customer_id: str
    test_clock: bool = False
    signed_up: bool = False
    rate_table: str = ""
    """As it was first met; empty: the default. With ``clock`` what makes the account anew after a restore."""
    clock: datetime | None = None
    """Where its own clock stood when it was first met."""
    closed: bool = False
    """No further usage, for good."""


def check_customer(customer: Customer) -> None:
    """Raises ``InvalidRequestError`` naming the field."""
    check_id(customer.customer_id, "customer_id")
    decimals_of(customer.currency)
    zone_of(customer.time_zone)
    if customer.country and not (len(customer.country) == 2 and customer.country.isupper()):
        raise InvalidRequestError("country: two capital letters, like DE", field="country")
