"""Between hot messages and results: batches of checks out, acks and checks in.

Hot messages carry integers of smallest units; ``Scales`` says which decimals they stand for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from drawdown.client.interface import CheckLike
from drawdown.client.usage_event import SealedEvent
from drawdown.engine import decode_ack
from drawdown.errors import InternalError
from drawdown.model import CheckResult, UsageResult
from drawdown.model.credits import credits_from_units, optional_credits
from drawdown.model.status import status_name
from drawdown.v1 import entitlement_pb2


class ScaleBook(Protocol):
    """What is needed of ``Scales``."""

    def of_credit_type(self, name: str) -> int:
        """Scale of a credit type."""

    def of_meter(self, account: str, meter: str, dimensions: Sequence[tuple[str, str]] = ()) -> int:
        """Scale of what the meter is priced in for this account."""


def usage_results(events: Sequence[SealedEvent], ack: bytes, scales: ScaleBook) -> list[UsageResult]:
    """Results of a batch sent with detail ``ALL``, one per event in its order."""
    _, seq, _, _, _, outcomes = decode_ack(ack)
    if len(outcomes) != len(events):
        raise InternalError(f"the server answered {len(outcomes)} outcomes for {len(events)} events")
    results: list[UsageResult] = []
    for event, (_, status, charged, uncovered, available, shortfall) in zip(events, outcomes, strict=True):
        scale = 0
        if charged or uncovered or available is not None or shortfall is not None:
            scale = (
                scales.of_credit_type(event.subject)
                if event.direct
                else scales.of_meter(event.account, event.subject, event.dimensions)
            )
        results.append(
            UsageResult(
                status=status,
                charged=credits_from_units(charged, scale),
                uncovered=credits_from_units(uncovered, scale),
                available=optional_credits(available, scale),
                shortfall=optional_credits(shortfall, scale),
                event_id=event.event_id,
                seq=seq,
            )
        )
    return results


def checks_to_request(checks: Sequence[CheckLike]) -> entitlement_pb2.BatchCheckRequest:
    """The message for ``BatchCheck``; an absent quantity is 1."""
    request = entitlement_pb2.BatchCheckRequest()
    for asked in checks:
        added = request.checks.add(account_id=asked[0], meter=asked[1])
        if len(asked) > 2:
            added.quantity = asked[2]
        if len(asked) > 3:
            added.dimensions.update(asked[3])
    return request


def check_results(
    checks: Sequence[CheckLike], response: entitlement_pb2.BatchCheckResponse, scales: ScaleBook
) -> list[CheckResult]:
    """Results in the order of the checks."""
    return [
        CheckResult(
            allowed=answer.allowed,
            reason=status_name(answer.reason),
            available=credits_from_units(answer.available, _scale_of(asked, scales))
            if answer.HasField("available")
            else None,
            units=answer.units,
            seq=answer.seq,
        )
        for asked, answer in zip(checks, response.results, strict=True)
    ]


def _scale_of(asked: CheckLike, scales: ScaleBook) -> int:
    return scales.of_meter(asked[0], asked[1], tuple(asked[3].items()) if len(asked) > 3 else ())
