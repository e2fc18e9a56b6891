"""Close an account: in the engine first, so that what is left is measured when nothing uses it any more."""

from typing import TYPE_CHECKING

import msgspec

from drawdown import errors
from drawdown.billing import recharge
from drawdown.billing.recharge_requests import Recharge
from drawdown.model.commands import SuspendAccount
from drawdown.model.results import Grant
from drawdown.runtime.control.invoicing import withdraw_unapproved
from drawdown.runtime.control.payouts import paid_for
from drawdown.runtime.control.purchase_jobs import require_no_refund_waits
from drawdown.runtime.control.registry import carries_out, handles
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.subscription_lifecycle import end
from drawdown.runtime.control.subscription_steps import tell
from drawdown.storage.sql.jobs import StoredJob
from drawdown.subscriptions.closing import (
    CLOSING_JOB,
    AccountClosing,
    CloseAccount,
    GetAccountClosing,
    check_close,
    closed,
    closing_job,
    open_grants,
    voids_of,
)
from drawdown.subscriptions.identifiers import lane_of

if TYPE_CHECKING:
    from drawdown.runtime.control.control_plane import ControlPlane


def _stored(step: Step, account: str) -> AccountClosing:
    step.profile(account)
    found = step.work.closings.get(account=account)
    if found is None:
        raise errors.NotFoundError(f"account {account[:128]!r} is not closed", reason="ACCOUNT_NOT_CLOSED")
    return found


@handles(GetAccountClosing)
def get_account_closing(step: Step, request: GetAccountClosing) -> AccountClosing:
    """Raises ``NotFoundError`` where the account is open."""
    return _stored(step, request.account)


def _reread(step: Step, request: CloseAccount) -> AccountClosing:
    return _stored(step, request.account)


@handles(CloseAccount, reread=_reread)
def close_account(step: Step, request: CloseAccount) -> AccountClosing:
    """Usage is refused from here on; the rest follows, whatever fails in between."""
    check_close(request)
    account = request.account
    profile = step.profile(account)
    step.run_now(lane_of(account))
    known = step.work.closings.get(account=account)
    if known is not None:
        if known.remainder != request.remainder:
            raise errors.AlreadyExistsError(
                f"account {account!r} is closed already, its remainder by {known.remainder!r}",
                field="remainder",
            )
        return known
    if request.remainder == "pay_out":
        _require_no_refund_waits(step, account)
    # Before its grants are read: what is given afterwards would not be voided.
    step.plane.closed_accounts.begin_closing(account)
    step.require(account, SuspendAccount(account=account))
    now = step.now_of(account)
    grants = step.engine.grants(account)
    unpaid = _unpaid(step, account, grants)
    _end_subscriptions(step, account)
    _end_recharges(step, account)
    # Without those that left memory: nothing returns to them.
    standing = step.engine.grants(account, ended=False)
    voids = voids_of(account, standing)
    if voids:
        step.decision.command(account, *voids)
        withdraw_unapproved(step, account, [each.grant_id for each in voids], lambda line: True)
    closing = AccountClosing(
        account=account,
        customer_id=profile.customer_id,
        remainder=request.remainder,
        closed_at=now,
        reason=request.reason,
        grants=open_grants(standing),
    )
    step.work.profiles.put(msgspec.structs.replace(profile, closed=True))
    step.decision.job(closing_job(closing, unpaid))
    return step.work.closings.put(closing)


def _require_no_refund_waits(step: Step, account: str) -> None:
    """Raises ``PreconditionError`` where the provider may give money for credits that would be paid out."""
    for purchase in step.work.purchases.find(account=account, order="row"):
        require_no_refund_waits(step, purchase)


def _unpaid(step: Step, account: str, grants: list[Grant]) -> list[str]:
    """Grants that wait for their payment, and those whose invoice nobody will pay."""
    given_up = [
        (line.subscription_id, line.period)
        for invoice in step.work.invoices.find(account=account, order="row")
        if invoice.state in ("void", "uncollectible") and invoice.advance_state != "paid"
        for line in invoice.lines
        if line.kind == "credits" and line.period is not None
    ]
    return [
        grant.grant_id
        for grant in grants
        if grant.state == "pending"
        or any(
            grant.source == "subscription"
            and grant.source_reference == subscription_id
            and grant.effective_at is not None
            and period.holds(grant.effective_at)
            for subscription_id, period in given_up
        )
    ]


def _end_subscriptions(step: Step, account: str) -> None:
    now = step.now_of(account)
    for subscription in step.work.subscriptions.find(account=account, live=True):
        tell(step, subscription, "cancelled", None, ends_at=now.isoformat())
        end(step, msgspec.structs.replace(subscription, ends_at=now), now)


def _end_recharges(step: Step, account: str) -> None:
    for each in step.work.recharges.find(account=account):
        rule = msgspec.structs.replace(each.rule, enabled=False)
        standing = msgspec.structs.replace(each.standing, state="off", reason="account_closed")
        step.work.recharges.put(Recharge(rule=rule, standing=standing))
        if recharge.is_on(each.rule, each.standing):
            step.decision.notice(
                "recharge.disabled", account, credit_type=rule.credit_type, reason=standing.reason
            )


def _deliver(plane: "ControlPlane", job: StoredJob) -> None:
    """The voids are in the engine."""
    plane.delivery.deliver()


@carries_out(CLOSING_JOB, effect=_deliver)
def measure_remainder(step: Step, job: StoredJob, _: object) -> None:
    """What the voids took is on the closing, once."""
    account = str(job.payload["account"])
    closing = step.work.closings.get(account=account)
    if closing is None or closing.state == "closed":
        return
    grants = step.engine.grants(account)
    unpaid = job.payload.get("unpaid", ())
    settled = step.work.closings.put(closed(closing, grants, unpaid, paid_for(step, account, grants)))
    step.decision.notice(
        "account.closed",
        account,
        key=f"account.closed:{account}",
        remainder=settled.remainder,
        payouts=", ".join(map(str, settled.payouts)),
    )
