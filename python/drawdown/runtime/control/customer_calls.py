"""Customers: who buys."""

from drawdown import errors
from drawdown.billing.requests import GetCustomer, PutCustomer
from drawdown.runtime.control.registry import handles
from drawdown.runtime.control.step import Step
from drawdown.subscriptions.customer import Customer, check_customer


@handles(PutCustomer)
def put_customer(step: Step, request: PutCustomer) -> Customer:
    """What is known about the customer from now on; what exists keeps its currency and zone."""
    check_customer(request.customer)
    if not request.customer.customer_id.startswith(step.account_prefix):
        raise unknown_customer(request.customer.customer_id)
    return step.work.customers.put(request.customer)


@handles(GetCustomer)
def get_customer(step: Step, request: GetCustomer) -> Customer:
    """Raises ``NotFoundError``."""
    found = step.work.customers.get(customer_id=request.customer_id)
    if found is None or not found.customer_id.startswith(step.account_prefix):
        raise unknown_customer(request.customer_id)
    return found


def unknown_customer(customer_id: str) -> errors.NotFoundError:
    """What a customer answers that is not there, or not for this caller: its prefix is for both."""
    return errors.NotFoundError(
        f"there is no customer {customer_id[:128]!r}", reason="CUSTOMER_UNKNOWN", field="customer_id"
    )
