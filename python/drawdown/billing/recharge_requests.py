"""Calls on automatic recharge."""

from drawdown.billing.recharge import RechargeRule, RechargeStanding
from drawdown.model.request import Request, Value


class Recharge(Value, frozen=True):
    """What was opted in to, and where it stands."""

    rule: RechargeRule
    standing: RechargeStanding = RechargeStanding()


class SetRecharge(Request, frozen=True):
    """Replaces the rule; an enabled one is looked at at once."""

    rpc = "BillingService/SetRecharge"
    right = "manage"
    answer = Recharge
    rule: RechargeRule


class GetRecharge(Request, frozen=True):
    rpc = "BillingService/GetRecharge"
    right = "read"
    answer = Recharge
    account: str
    credit_type: str
