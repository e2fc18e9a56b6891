"""Transfers: planned in a transaction, done in one step of the engine, looked at afterwards.

The plan is durable before the engine sees it, so a crash anywhere ends in the same transfer. A debit that
was quicker makes the engine refuse the step; then it is planned anew.
"""

from typing import TYPE_CHECKING

import msgspec

from drawdown import errors
from drawdown.billing.transfer import (
    ATTEMPTS_MAX,
    TRANSFER_JOB,
    GetTransfer,
    Transfer,
    TransferCredits,
    check_transfer,
    group_of,
    movable,
    planned,
    transfer_job,
)
from drawdown.model.results import CommandResult, Grant
from drawdown.runtime.control.registry import carries_out, handles
from drawdown.runtime.control.step import Step
from drawdown.storage.sql.jobs import StoredJob
from drawdown.subscriptions.identifiers import lane_of

if TYPE_CHECKING:
    from drawdown.runtime.control.control_plane import ControlPlane


@handles(GetTransfer)
def get_transfer(step: Step, request: GetTransfer) -> Transfer:
    """Raises ``NotFoundError``."""
    found = step.work.transfers.get(transfer_id=request.transfer_id)
    if found is None or not (step.sees(found.from_account) and step.sees(found.to_account)):
        raise errors.NotFoundError(
            f"there is no transfer {request.transfer_id[:128]!r}",
            reason="TRANSFER_UNKNOWN",
            field="transfer_id",
        )
    return found


def _stored(step: Step, transfer_id: str) -> Transfer:
    found: Transfer = get_transfer(step, GetTransfer(transfer_id=transfer_id))
    return found


def _outcome(step: Step, request: TransferCredits) -> Transfer:
    found = _stored(step, request.transfer_id)
    if found.state == "refused":
        raise _why_refused(step, found)
    return found


@handles(TransferCredits, reread=_outcome)
def transfer_credits(step: Step, request: TransferCredits) -> Transfer:
    """Raises ``PreconditionError`` where the customer differs, too little may leave or the receiving account
    has no room; nothing changed."""
    check_transfer(request, step.engine.scale(request.credit_type))
    giver, taker = step.profile(request.from_account), step.profile(request.to_account)
    step.run_now(lane_of(request.from_account))
    if not step.work.first_time(request, request.transfer_id):
        return _stored(step, request.transfer_id)
    for account in (request.from_account, request.to_account):
        step.open_profile(account)
    if giver.customer_id != taker.customer_id:
        raise errors.PreconditionError(
            f"accounts {giver.account!r} and {taker.account!r} belong to different customers",
            reason="CUSTOMER_DIFFERS",
            field="to_account",
        )
    if giver.test_clock != taker.test_clock:
        raise errors.PreconditionError(
            "credits cannot move between an account on a test clock and one in real time", field="to_account"
        )
    transfer = Transfer(
        transfer_id=request.transfer_id,
        from_account=request.from_account,
        to_account=request.to_account,
        credit_type=request.credit_type,
        credits=request.credits,
        created_at=step.now_of(request.from_account),
    )
    grants = _movable(step, transfer)
    attempt = planned(transfer, grants)
    if attempt is None:
        raise _insufficient(transfer, grants)
    if (refused := _refused_by_taker(step, attempt, grants)) is not None:
        raise _not_taken(transfer, refused)
    return _try(step, attempt, grants)


def _movable(step: Step, transfer: Transfer) -> list[Grant]:
    account = transfer.from_account
    own = {
        each.grant_id
        for subscription in step.work.subscriptions.find(account=account, live=True)
        for each in subscription.own_grants
    }
    return movable(step.engine.grants(account, credit_type=transfer.credit_type), own)


def _insufficient(transfer: Transfer, grants: list[Grant]) -> errors.PreconditionError:
    free = sum((each.remaining for each in grants), start=transfer.credits * 0)
    return errors.PreconditionError(
        f"account {transfer.from_account!r} has {free:f} {transfer.credit_type} that may leave, not "
        f"{transfer.credits:f}: what a reservation holds and what a live subscription gave stay",
        reason="INSUFFICIENT",
        field="credits",
    )


def _refused_by_taker(step: Step, attempt: Transfer, grants: list[Grant]) -> CommandResult | None:
    """What the receiving account would answer, where it would not take its credits.

    Not what the giving one would, where a debit is quicker than the plan: that is planned anew.
    """
    refused = step.would_refuse(attempt.from_account, group_of(attempt, grants))
    return None if refused is None or refused[0] == 0 else refused[1]


def _not_taken(transfer: Transfer, refused: CommandResult) -> errors.PreconditionError:
    return errors.PreconditionError(
        f"account {transfer.to_account!r} cannot take {transfer.credits:f} {transfer.credit_type} more: "
        f"{refused.reason or refused.status}",
        reason=refused.status,
        field="to_account",
    )


def _why_refused(step: Step, transfer: Transfer) -> errors.PreconditionError:
    """As it is now; what stood in the way before is not on the transfer."""
    grants = _movable(step, transfer)
    attempt = planned(transfer, grants)
    if attempt is None:
        return _insufficient(transfer, grants)
    if (refused := _refused_by_taker(step, attempt, grants)) is not None:
        return _not_taken(transfer, refused)
    return errors.PreconditionError(
        f"transfer {transfer.transfer_id!r} was refused, as its credits or the room for them were gone; both "
        "are there now: ask again with another transfer_id",
        reason="TRANSFER_REFUSED",
        field="transfer_id",
    )


def _try(step: Step, transfer: Transfer, grants: list[Grant]) -> Transfer:
    step.decision.command(transfer.from_account, *group_of(transfer, grants))
    step.decision.job(transfer_job(transfer))
    return step.work.transfers.put(transfer)


def _deliver(plane: "ControlPlane", job: StoredJob) -> None:
    """The attempt has reached the engine."""
    plane.delivery.deliver()


@carries_out(TRANSFER_JOB, effect=_deliver)
def look_at_transfer(step: Step, job: StoredJob, _: object) -> None:
    """Done where the engine took the step; else planned anew, as long as there is enough, and room for it."""
    transfer = step.work.transfers.get(transfer_id=str(job.payload["transfer_id"]))
    if transfer is None or transfer.state != "moving":
        return
    there = {each.grant_id for each in step.engine.grants(transfer.to_account)}
    if all(part.to_grant_id in there for part in transfer.parts):
        step.work.transfers.put(msgspec.structs.replace(transfer, state="done"))
        return
    grants = _movable(step, transfer)
    attempt = planned(transfer, grants) if transfer.attempt < ATTEMPTS_MAX else None
    if attempt is None or _refused_by_taker(step, attempt, grants) is not None:
        step.work.transfers.put(msgspec.structs.replace(transfer, state="refused", parts=()))
        return
    _try(step, attempt, grants)
