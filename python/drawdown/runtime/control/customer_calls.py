"""Customers: who buys."""

import msgspec

from drawdown import errors
from drawdown.billing.recharge import NO_METHOD
from drawdown.billing.requests import Customers, GetCustomer, ListCustomers, PutCustomer
from drawdown.runtime.control.payment_retries import retry_with_new_method
from drawdown.runtime.control.recharge_calls import try_held_back
from drawdown.runtime.control.registry import handles
from drawdown.runtime.control.step import Step
from drawdown.storage.sql.documents import begins_with
from drawdown.storage.sql.tables.subscriptions import customer as customer_table
from drawdown.subscriptions.customer import Customer, check_customer

PAGE_MAX = 1_000


@handles(PutCustomer)
def put_customer(step: Step, request: PutCustomer) -> Customer:
    """What is known about the customer from now on; what exists keeps its currency and zone."""
    check_customer(request.customer)
    if not request.customer.customer_id.startswith(step.account_prefix):
        raise unknown_customer(request.customer.customer_id)
    known = step.work.customers.get(customer_id=request.customer.customer_id)
    stored = step.work.customers.put(request.customer)
    former = "" if known is None else known.payment_method
    if stored.payment_method and stored.payment_method != former:
        if known is not None:
            _follow_method(step, former, stored)
        for profile in step.work.profiles.find(customer_id=stored.customer_id):
            try_held_back(step, profile.account, NO_METHOD)
    return stored


def _follow_method(step: Step, former: str, customer: Customer) -> None:
    """Subscriptions that paid by the former method pay by the new; what failed is tried at once.

    Those that have ended too: what they still owe is paid by the new one.
    """
    for profile in step.work.profiles.find(customer_id=customer.customer_id):
        for each in step.work.subscriptions.find(account=profile.account):
            if each.payment_method not in ("", former):
                continue
            step.work.subscriptions.put(msgspec.structs.replace(each, payment_method=customer.payment_method))
            if each.live and each.unpaid_invoice_id:
                retry_with_new_method(step, step.work.invoice(each.unpaid_invoice_id))


@handles(GetCustomer)
def get_customer(step: Step, request: GetCustomer) -> Customer:
    """Raises ``NotFoundError``."""
    found = step.work.customers.get(customer_id=request.customer_id)
    if found is None or not found.customer_id.startswith(step.account_prefix):
        raise unknown_customer(request.customer_id)
    return found


@handles(ListCustomers)
def list_customers(step: Step, request: ListCustomers) -> Customers:
    """By id; a caller bound to a prefix is shown no other."""
    named = customer_table.c.customer_id
    where = [named > request.after]
    for prefix in (step.account_prefix, request.prefix):
        if prefix:
            where.append(begins_with(named, prefix))
    limit = min(max(request.limit, 1), PAGE_MAX)
    return Customers(customers=tuple(step.work.customers.find(*where, limit=limit)))


def unknown_customer(customer_id: str) -> errors.NotFoundError:
    """What a customer answers that is not there, or not for this caller: its prefix is for both."""
    return errors.NotFoundError(
        f"there is no customer {customer_id[:128]!r}", reason="CUSTOMER_UNKNOWN", field="customer_id"
    )
