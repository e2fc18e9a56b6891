"""What happens to subscriptions by calendar."""

from drawdown.runtime.control.registry import carries_out
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.subscription_steps import make_grant, open_period, plan_of
from drawdown.storage.sql.jobs import StoredJob
from drawdown.subscriptions.renewing import GRANT_JOB, PERIOD_JOB
from drawdown.subscriptions.subscription import Subscription


def _subject(step: Step, job: StoredJob) -> Subscription | None:
    """The subscription if the job still concerns it: schedules laid anew leave older jobs without work."""
    subscription = step.work.subscription(job.payload["subscription_id"])
    if subscription.epoch != job.payload["epoch"] or subscription.state != "active":
        return None
    return subscription


@carries_out(PERIOD_JOB)
def open_next_period(step: Step, job: StoredJob, _: object) -> None:
    """A renewal."""
    subscription = _subject(step, job)
    if subscription is None:
        return
    number = job.payload["number"]
    open_period(step, subscription, plan_of(step, subscription), number)
    step.decision.notice(
        "subscription.renewed",
        subscription.account,
        key=job.key,
        subscription_id=subscription.subscription_id,
        period=number,
    )


@carries_out(GRANT_JOB)
def make_next_grant(step: Step, job: StoredJob, _: object) -> None:
    """The next cadence's credits."""
    subscription = _subject(step, job)
    if subscription is not None:
        make_grant(step, subscription, plan_of(step, subscription), job.payload["number"])
