"""The reservation calls of the connection for asyncio."""

from __future__ import annotations

import abc
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from drawdown.client import reservation_messages as messages
from drawdown.client.reservation import AioReservation, Reserving
from drawdown.client.reservation_session import AioReservationSession
from drawdown.model import AmountLike, OpenReservation, ReleaseResult, SettleResult, commands, new_event_id
from drawdown.model.reservation_commands import TtlLike
from drawdown.v1 import entitlement_pb2

AnswerT = TypeVar("AnswerT")


class AioReservationCalls(abc.ABC):
    """Reserve, settle, release and list; the connection supplies stub, session and ``_call``."""

    _entitlement: Any
    _session: AioReservationSession

    @abc.abstractmethod
    async def _call(self, method: Callable[..., Awaitable[AnswerT]], request: Any) -> AnswerT:
        """Call, and repeat with the same request while that may help."""

    def reserve(
        self,
        account: str,
        meter: str | None = None,
        *,
        quantity: int | None = None,
        credit_type: str | None = None,
        credits: AmountLike | None = None,
        reservation_id: str | None = None,
        dimensions: Mapping[str, str] | None = None,
        ttl: TtlLike = 60,
        release_on_disconnect: bool = False,
    ) -> Reserving:
        """Set credits aside: ``hold = await db.reserve(…)`` or ``async with db.reserve(…) as hold``.

        See ``Database.reserve``.
        """
        command = commands.reserve(
            account,
            new_event_id() if reservation_id is None else reservation_id,
            meter=meter,
            quantity=quantity,
            credit_type=credit_type,
            credits=credits,
            dimensions=dimensions,
            ttl=ttl,
        )

        async def reserve() -> AioReservation:
            session_id = await self._session.session_id() if release_on_disconnect else ""
            request = messages.reserve_request(command, session_id)
            response = await self._call(self._entitlement.Reserve, request)
            return AioReservation(self, command, messages.reserved(response, command.reservation_id))

        return Reserving(reserve)

    async def settle(
        self,
        account: str,
        reservation_id: str,
        *,
        quantity: int | None = None,
        credits: AmountLike | None = None,
        refuse_extra: bool = False,
    ) -> SettleResult:
        """End a reservation with what was used; see ``Reservation.settle``."""
        return await self._settle(
            commands.settle(
                account, reservation_id, quantity=quantity, credits=credits, refuse_extra=refuse_extra
            )
        )

    async def _settle(self, command: commands.Settle) -> SettleResult:
        request = messages.settle_request(command)
        return messages.settled(await self._call(self._entitlement.Settle, request))

    async def release(self, account: str, reservation_id: str) -> ReleaseResult:
        """End a reservation with nothing used: everything returns. Twice changes nothing."""
        request = entitlement_pb2.ReleaseRequest(account_id=account, reservation_id=reservation_id)
        return messages.released(await self._call(self._entitlement.Release, request))

    async def reservations(self, account: str | None = None) -> list[OpenReservation]:
        """Reservations neither settled, released nor lapsed, of one account or of all."""
        found: list[OpenReservation] = []
        request = entitlement_pb2.ListReservationsRequest(account_id=account or "", page_size=1000)
        while True:
            response = await self._call(self._entitlement.ListReservations, request)
            found += messages.open_reservations(response)
            if not response.next_page_token:
                return found
            request.page_token = response.next_page_token
