"""Credits from one account to another of the same customer, as a visible pair (semantics §15). Pure.

::

    moving ──→ done
      │  ╲──→ (planned anew: a debit was quicker) ──→ moving
      └─────→ refused

One group of the engine takes the credits out here and grants them there. Each grant that gives is voided and
its rest created anew beside it, as any part withdrawal; what comes out keeps its category, priority,
validity, scope, source and its share of what was paid for it.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from drawdown.errors import InvalidRequestError
from drawdown.model import commands
from drawdown.model.credits import decimal_text, units_from_credits
from drawdown.model.decision import Job
from drawdown.model.ids import check_id
from drawdown.model.money import Money
from drawdown.model.request import Request, Value
from drawdown.model.results import Grant
from drawdown.subscriptions.cost_basis import share_of_cost
from drawdown.subscriptions.identifiers import derived, lane_of

TRANSFER_JOB: Final = "transfer"
# Debits that were quicker than the plan, before the transfer is given up.
ATTEMPTS_MAX: Final = 20


class TransferPart(Value, frozen=True):
    """What one grant gave."""

    from_grant_id: str
    rest_grant_id: str
    """The rest of it, created anew; no such grant where nothing was left."""
    to_grant_id: str
    credits: Decimal
    cost: Money | None = None
    """Its share of what was paid, which goes with the credits."""
    expires_at: datetime | None = None


class Transfer(Value, frozen=True):
    """Credits on their way, or there."""

    transfer_id: str
    from_account: str
    to_account: str
    credit_type: str
    credits: Decimal
    created_at: datetime
    state: str = "moving"
    """``moving``, ``done`` or ``refused``."""
    attempt: int = 0
    parts: tuple[TransferPart, ...] = ()


class TransferCredits(Request, frozen=True):
    """Move credits to another account of the same customer: all of them or none, once per id."""

    rpc = "GrantService/TransferCredits"
    right = "manage"
    answer = Transfer
    transfer_id: str
    from_account: str
    to_account: str
    credit_type: str
    credits: Decimal


class GetTransfer(Request, frozen=True):
    rpc = "GrantService/GetTransfer"
    right = "read"
    answer = Transfer
    transfer_id: str


def check_transfer(request: TransferCredits, scale: int) -> None:
    """Raises ``InvalidRequestError`` naming the field."""
    check_id(request.transfer_id, "transfer_id")
    if len(request.transfer_id.encode()) > 96:
        raise InvalidRequestError("transfer_id: at most 96 bytes", field="transfer_id")
    if request.from_account == request.to_account:
        raise InvalidRequestError("to_account: the account that the credits come from", field="to_account")
    if units_from_credits(request.credits, scale, "credits") <= 0:
        raise InvalidRequestError("credits: must be more than 0", field="credits")


def movable(grants: Iterable[Grant], barred: Collection[str]) -> list[Grant]:
    """What may leave, in burn-down order.

    Not what is held for a reservation, which stays with it, nor a live subscription's own grants, which
    a change of plan takes back.
    """
    return [
        each
        for each in grants
        if each.state == "active" and each.remaining > 0 and not each.held and each.grant_id not in barred
    ]


def planned(transfer: Transfer, grants: Iterable[Grant]) -> Transfer | None:
    """The next attempt with its parts, or ``None`` where the grants have too little."""
    attempt = transfer.attempt + 1
    parts: list[TransferPart] = []
    missing = transfer.credits
    for grant in grants:
        if missing <= 0:
            break
        credits = min(missing, grant.remaining)
        missing -= credits
        number = f"{attempt}.{len(parts)}"
        parts.append(
            TransferPart(
                from_grant_id=grant.grant_id,
                rest_grant_id=derived("transfer", transfer.transfer_id, number, "rest"),
                to_grant_id=derived("transfer", transfer.transfer_id, number),
                credits=credits,
                cost=share_of_cost(grant, credits),
                expires_at=grant.expires_at,
            )
        )
    if missing > 0:
        return None
    return msgspec.structs.replace(transfer, attempt=attempt, parts=tuple(parts))


def group_of(transfer: Transfer, grants: Iterable[Grant]) -> list[commands.Command]:
    """The one step of the engine, all or nothing."""
    known = {each.grant_id: each for each in grants}
    pairs = [(part, known[part.from_grant_id]) for part in transfer.parts]
    leave = commands.VoidAndReplace(
        account=transfer.from_account,
        void=[part.from_grant_id for part, _ in pairs],
        create=[_rest(part, grant) for part, grant in pairs],
        move_out=[
            commands.MoveOut(of=part.from_grant_id, amount=decimal_text(part.credits)) for part, _ in pairs
        ],
    )
    arrive = [
        commands.CreateGrant(account=transfer.to_account, grant=_arriving(transfer, part, grant))
        for part, grant in pairs
    ]
    return [leave, *arrive]


def transfer_job(transfer: Transfer) -> Job:
    """The look at how an attempt went."""
    return Job(
        kind=TRANSFER_JOB,
        key=f"{TRANSFER_JOB}:{transfer.transfer_id}:{transfer.attempt}",
        lane=lane_of(transfer.from_account),
        account=transfer.from_account,
        due_at=transfer.created_at,
        payload={"transfer_id": transfer.transfer_id},
    )


def _rest(part: TransferPart, grant: Grant) -> commands.GrantInput:
    """What stays: measured in the step itself. Its cost and that of what leaves make up the share of both."""
    both, leaving = share_of_cost(grant, grant.remaining), part.cost
    return grant_like(
        grant,
        part.rest_grant_id,
        commands.formula(part.from_grant_id, minus=part.credits),
        None if both is None or leaving is None else both - leaving,
        grant.source_reference,
    )


def _arriving(transfer: Transfer, part: TransferPart, grant: Grant) -> commands.GrantInput:
    return grant_like(
        grant, part.to_grant_id, part.credits, part.cost, derived("transfer", transfer.transfer_id)
    )


def grant_like(
    grant: Grant,
    grant_id: str,
    amount: commands.GrantAmountLike,
    cost: Money | None,
    reference: str,
    *,
    metadata: Mapping[str, str] | None = None,
    pending: bool = False,
) -> commands.GrantInput:
    """A grant as this one is, of another amount and cost."""
    return commands.grant_input(
        grant_id,
        grant.credit_type,
        amount,
        name=grant.name,
        category=grant.category,
        priority=grant.priority,
        effective_at=grant.effective_at,
        expires_at=grant.expires_at,
        scope=grant.scope,
        pending=pending,
        source=grant.source,
        source_reference=reference,
        cost_minor=0 if cost is None else cost.minor,
        cost_currency="" if cost is None else cost.currency,
        reason=grant.reason,
        metadata=grant.metadata if metadata is None else metadata,
    )
