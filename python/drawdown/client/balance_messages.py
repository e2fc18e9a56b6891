"""A ``Balance`` message as a result."""

from __future__ import annotations

from decimal import Decimal

from drawdown.model import Balance
from drawdown.model.thresholds import threshold_of
from drawdown.v1 import account_pb2

_POLICY_PREFIX = "POLICY_KIND_"


def balance_of(message: account_pb2.Balance, seq: int) -> Balance:
    """One pool as a watch tells it."""
    policy = message.policy
    return Balance(
        account=message.account_id,
        credit_type=message.credit_type,
        scale=message.scale,
        available=Decimal(message.available),
        remaining=Decimal(message.remaining or 0),
        held=Decimal(message.held or 0),
        overdraft=Decimal(message.overdraft or 0),
        overage=Decimal(message.overage or 0),
        policy=account_pb2.PolicyKind.Name(policy.kind).removeprefix(_POLICY_PREFIX).lower(),
        policy_limit=Decimal(policy.limit) if policy.limit else None,
        policy_cap=Decimal(policy.cap) if policy.cap else None,
        policy_price=policy.price or None,
        thresholds=tuple(threshold_of(each) for each in message.thresholds),
        seq=seq,
    )
