"""Between hot messages and results: batches of checks out, acks and checks in.

Hot messages carry integers of smallest units; ``Scales`` says which decimals they stand for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Protocol

from drawdown.client.interface import CheckLike
from drawdown.client.usage_event import SealedEvent
from drawdown.engine import decode_ack
from drawdown.errors import DrawdownError, InternalError
from drawdown.model import CheckResult, UsageResult
from drawdown.model.check_question import wrong_question
from drawdown.model.credits import credits_from_units, optional_credits
from drawdown.model.status import status_name
from drawdown.v1 import entitlement_pb2


class ScaleBook(Protocol):
    """What is needed of ``Scales``."""

    def of_credit_type(self, name: str) -> int:
        """Scale of a credit type."""

    def of_meter(self, account: str, meter: str, dimensions: Sequence[tuple[str, str]] = ()) -> int:
        """Scale of what the meter is priced in for this account."""


@contextlib.contextmanager
def not_definite_after(applied: Sequence[object]) -> Iterator[None]:
    """What is raised in here is definite only as long as nothing is among ``applied``."""
    try:
        yield
    except DrawdownError as error:
        if applied:
            error.definite = False
        raise


def usage_results(
    events: Sequence[SealedEvent], ack: bytes, known: Sequence[int | None], scales: ScaleBook
) -> list[UsageResult]:
    """Results of a batch sent with detail ``ALL``, one per event in its order.

    ``known`` are the events' scales as far as they were known before. Nothing that is raised is definite.
    """
    with not_definite_after(events):
        return _usage_results(events, ack, known, scales)


def has_amounts(charged: int, uncovered: int, available: int | None, shortfall: int | None) -> bool:
    """Whether an outcome says anything for which a scale is needed."""
    return bool(charged or uncovered) or available is not None or shortfall is not None


def scale_of_event(event: SealedEvent, scales: ScaleBook) -> int:
    """Scale of the event's amounts."""
    if event.direct:
        return scales.of_credit_type(event.subject)
    return scales.of_meter(event.account, event.subject, event.dimensions)


def _usage_results(
    events: Sequence[SealedEvent], ack: bytes, known: Sequence[int | None], scales: ScaleBook
) -> list[UsageResult]:
    _, seq, _, _, _, outcomes = decode_ack(ack)
    if len(outcomes) != len(events):
        raise InternalError(f"the server answered {len(outcomes)} outcomes for {len(events)} events")
    results: list[UsageResult] = []
    for event, scale, outcome in zip(events, known, outcomes, strict=True):
        _, status, charged, uncovered, available, shortfall = outcome
        if scale is None:
            amounts = has_amounts(charged, uncovered, available, shortfall)
            scale = scale_of_event(event, scales) if amounts else 0
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
    """The message for ``BatchCheck``; an absent quantity is 1.

    Raises ``InvalidRequestError`` naming the field of a value that no message holds.
    """
    request = entitlement_pb2.BatchCheckRequest()
    for asked in checks:
        quantity = asked[2] if len(asked) > 2 else 1
        try:
            added = request.checks.add(account_id=asked[0], meter=asked[1], quantity=quantity)
            if len(asked) > 3:
                added.dimensions.update(asked[3])
        except (TypeError, ValueError, AttributeError) as raised:
            raise wrong_question(asked[0], asked[1], quantity, raised) from raised
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
