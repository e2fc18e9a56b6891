"""Erase a customer's personal data; what it bought and used stays, under ids alone."""

from typing import TYPE_CHECKING, Final

from drawdown import errors
from drawdown.model.decision import Job
from drawdown.runtime.control.customer_calls import unknown_customer
from drawdown.runtime.control.registry import carries_out, handles
from drawdown.runtime.control.step import Step
from drawdown.storage.sql.erasing import erase_texts
from drawdown.storage.sql.jobs import StoredJob
from drawdown.subscriptions.customer import Customer
from drawdown.subscriptions.erasing import EraseCustomer, Erasure, erased_customer, personal_texts

if TYPE_CHECKING:
    from drawdown.runtime.control.control_plane import ControlPlane

COMPACT_JOB: Final = "customer.compact"
_SHOWN: Final = 5


def _accounts_of(plane: "ControlPlane", request: EraseCustomer, _: str) -> list[str]:
    """Every account of the customer, those included that the control plane never met, and those beyond the
    caller's prefix."""
    found: list[str] = []
    after: str | None = None
    more = True
    while more:
        page, more = plane.engine.accounts(after=after)
        found += [each.account for each in page if (each.customer or each.account) == request.customer_id]
        after = page[-1].account if page else None
        more = more and bool(page)
    return found


@handles(EraseCustomer, before=_accounts_of)
def erase_customer(step: Step, request: EraseCustomer) -> Erasure:
    """Raises ``PreconditionError`` while an account of the customer is open, or out of the caller's reach."""
    customer_id = request.customer_id
    if not customer_id.startswith(step.account_prefix):
        raise unknown_customer(customer_id)
    known = step.work.customers.get(customer_id=customer_id)
    accounts: list[str] = step.prior
    if known is None and not accounts:
        raise unknown_customer(customer_id)
    if not request.confirm:
        raise errors.InvalidRequestError(
            "confirm: erasing a customer cannot be undone; set confirm", field="confirm"
        )
    if not all(each.startswith(step.account_prefix) for each in accounts):
        raise errors.PreconditionError(
            "the customer has accounts that this key does not reach: erase it with one that does",
            reason="ACCOUNTS_OUT_OF_REACH",
            field="customer_id",
        )
    alive = [each for each in accounts if each not in step.plane.closed_accounts]
    if alive:
        raise errors.PreconditionError(
            f"close its accounts first: {', '.join(map(repr, alive[:_SHOWN]))}"
            + (f" and {len(alive) - _SHOWN} more" if len(alive) > _SHOWN else ""),
            reason="ACCOUNT_NOT_CLOSED",
            field="customer_id",
        )
    customer = known or Customer(customer_id=customer_id)
    texts = erase_texts(step.work.connection, accounts, personal_texts(customer))
    step.work.forget()
    step.work.customers.put(erased_customer(customer))
    _compact_soon(step, customer_id)
    return Erasure(customer_id=customer_id, accounts=tuple(accounts), erased_at=step.real_now(), texts=texts)


def _compact_soon(step: Step, customer_id: str) -> None:
    """What was overwritten must not stand in the database's free pages."""
    number = step.work.series.following(f"compact:{customer_id}")
    lane = "compact"
    step.decision.job(
        Job(
            kind=COMPACT_JOB,
            key=f"{COMPACT_JOB}:{customer_id}:{number}",
            lane=lane,
            account="",
            due_at=step.real_now(),
        )
    )
    step.run_now(lane)


def _compact(plane: "ControlPlane", job: StoredJob) -> None:
    plane.sql.compact()


@carries_out(COMPACT_JOB, effect=_compact)
def compacted(step: Step, job: StoredJob, _: object) -> None:
    """Nothing more to do."""
