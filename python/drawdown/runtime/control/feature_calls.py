"""Features that are not metered: boolean ones and ones with a value, out of the live plans."""

from __future__ import annotations

from drawdown.runtime.control.registry import handles
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.subscription_steps import plan_of
from drawdown.subscriptions.entitling import in_force
from drawdown.subscriptions.requests import Feature, Features, GetFeature, ListFeatures

# In the plan's own words a boolean feature is "true" or "false"; anything else is a value.
_BOOLEAN = {"true": True, "false": False}


def features_of(step: Step, account: str) -> dict[str, Feature]:
    """Features of the account's live plans by name; where two subscriptions have one, the newest decides."""
    step.profile(account)
    is_suspended = step.engine.account(account).suspended
    found: dict[str, Feature] = {}
    live = step.work.subscriptions.find(account=account, live=True)
    for subscription in reversed(in_force(live)):
        if subscription.state == "paused":
            continue
        for name, value in plan_of(step, subscription).features.items():
            has = _BOOLEAN.get(value, True)
            found[name] = Feature(
                feature=name,
                kind="boolean" if value in _BOOLEAN else "config",
                allowed=has and not is_suspended,
                value="" if value in _BOOLEAN else value,
                reason="ACCOUNT_SUSPENDED" if is_suspended else "OK" if has else "NOT_ENTITLED",
                subscription_id=subscription.subscription_id,
            )
    return found


@handles(GetFeature)
def get_feature(step: Step, request: GetFeature) -> Feature:
    """A feature that no live plan has is not allowed."""
    absent = Feature(feature=request.feature, kind="boolean", allowed=False, reason="NOT_ENTITLED")
    return features_of(step, request.account).get(request.feature, absent)


@handles(ListFeatures)
def list_features(step: Step, request: ListFeatures) -> Features:
    """Those that are allowed and those that are not."""
    found = features_of(step, request.account)
    return Features(features=tuple(found[name] for name in sorted(found)))
