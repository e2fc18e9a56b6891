"""Between the reservation calls of ``EntitlementService`` and commands and results."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from google.protobuf import timestamp_pb2

from drawdown.model import (
    OpenReservation,
    ReleaseResult,
    ReservationResult,
    SettleResult,
    instant_from_us,
)
from drawdown.model.reservation_commands import Reserve, Settle
from drawdown.model.status import status_name
from drawdown.v1 import entitlement_pb2 as pb


def reserve_request(command: Reserve, session_id: str) -> pb.ReserveRequest:
    """The message for ``Reserve``."""
    request = pb.ReserveRequest(
        account_id=command.account,
        reservation_id=command.reservation_id,
        dimensions=command.dimensions,
        session_id=session_id,
    )
    if command.meter is not None:
        request.meter = command.meter
    if command.credit_type is not None:
        request.credit_type = command.credit_type
    if command.quantity is not None:
        request.quantity = command.quantity
    if command.credits is not None:
        request.credits = command.credits
    request.ttl.FromMicroseconds(command.ttl_us)
    return request


def settle_request(command: Settle) -> pb.SettleRequest:
    """The message for ``Settle``."""
    request = pb.SettleRequest(
        account_id=command.account,
        reservation_id=command.reservation_id,
        refuse_extra=command.refuse_extra,
    )
    if command.quantity is not None:
        request.quantity = command.quantity
    if command.credits is not None:
        request.credits = command.credits
    return request


def _amount(text: str) -> Decimal:
    return Decimal(text or 0)


def _optional(text: str) -> Decimal | None:
    return Decimal(text) if text else None


def _instant_us(timestamp: timestamp_pb2.Timestamp) -> int:
    return timestamp.seconds * 1_000_000 + timestamp.nanos // 1000


def reserved(response: pb.ReserveResponse, reservation_id: str) -> ReservationResult:
    """The outcome of ``Reserve``."""
    expires_at = _instant_us(response.expires_at) if response.HasField("expires_at") else None
    return ReservationResult(
        status=status_name(response.status),
        reservation_id=reservation_id,
        held=_amount(response.held),
        headroom=_amount(response.headroom),
        uncovered=_amount(response.uncovered),
        available=_optional(response.available),
        shortfall=_optional(response.shortfall),
        expires_at=None if expires_at is None else instant_from_us(expires_at),
        seq=response.seq,
    )


def settled(response: pb.SettleResponse) -> SettleResult:
    """The outcome of ``Settle``."""
    return SettleResult(
        status=status_name(response.status),
        charged=_amount(response.charged),
        returned=_amount(response.returned),
        extra=_amount(response.extra),
        uncovered=_amount(response.uncovered),
        available=_optional(response.available),
        seq=response.seq,
    )


def released(response: pb.ReleaseResponse) -> ReleaseResult:
    """The outcome of ``Release``."""
    return ReleaseResult(
        status=status_name(response.status),
        returned=_amount(response.returned),
        available=_optional(response.available),
        seq=response.seq,
    )


def open_reservations(response: pb.ListReservationsResponse) -> Sequence[OpenReservation]:
    """One page of ``ListReservations``."""
    return [
        OpenReservation(
            account=each.account_id,
            reservation_id=each.reservation_id,
            credit_type=each.credit_type,
            scale=each.scale,
            meter=each.meter or None,
            quantity=each.quantity if each.HasField("quantity") else None,
            held=_amount(each.held),
            headroom=_amount(each.headroom),
            created_at=instant_from_us(_instant_us(each.created_at)),
            expires_at=instant_from_us(_instant_us(each.expires_at)),
            seq=response.seq,
        )
        for each in response.reservations
    ]
