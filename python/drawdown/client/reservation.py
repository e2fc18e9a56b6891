"""A reservation in a caller's hands: settle it, or leave its block and it is released."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Protocol, Self

from drawdown.errors import InvalidRequestError, PreconditionError
from drawdown.model import (
    AmountLike,
    ReleaseResult,
    ReservationResult,
    SettleResult,
)
from drawdown.model.reservation_commands import Reserve, Settle, settle

# After these nothing is held under the id any more, by this call or since earlier.
_ENDED = frozenset({"OK", "DUPLICATE", "CONFLICT", "RESERVATION_UNKNOWN"})


class _Reserved:
    """What both forms share: the outcome, and which way the actual use is said."""

    def __init__(self, command: Reserve, result: ReservationResult) -> None:
        self.account = command.account
        self.reservation_id = command.reservation_id
        self.result = result
        self.ended = not result.applied
        """Nothing is held: it was refused, settled or released."""
        self._by_quantity = command.quantity is not None

    @property
    def status(self) -> str:
        """``OK``, ``DUPLICATE``, or the rule that refused it."""
        return self.result.status

    @property
    def held(self) -> Decimal:
        """Credits set aside from grants."""
        return self.result.held

    @property
    def available(self) -> Decimal | None:
        """The pool's available right after the reserve."""
        return self.result.available

    @property
    def expires_at(self) -> datetime | None:
        """When it lapses by itself."""
        return self.result.expires_at

    def __bool__(self) -> bool:
        return self.result.applied

    def _settling(
        self,
        used: AmountLike | None,
        quantity: int | None,
        credits: AmountLike | None,
        refuse_extra: bool,
    ) -> Settle:
        if not self.result.applied:
            raise PreconditionError(
                f"there is nothing to settle: the reservation was refused ({self.status})", reason=self.status
            )
        if used is not None:
            if quantity is not None or credits is not None:
                raise InvalidRequestError("used: give the actual use once", field="used")
            if not self._by_quantity:
                credits = used
            elif isinstance(used, bool) or not isinstance(used, int):
                raise InvalidRequestError(
                    f"used: a quantity is a whole number, not {type(used).__name__}", field="used"
                )
            else:
                quantity = used
        return settle(
            self.account, self.reservation_id, quantity=quantity, credits=credits, refuse_extra=refuse_extra
        )


class Settles(Protocol):
    """What a reservation needs of its database."""

    def _settle(self, command: Settle) -> SettleResult: ...

    def release(self, account: str, reservation_id: str) -> ReleaseResult: ...


class Reservation(_Reserved):
    """Credits set aside. Truthy when they are; a refused one holds nothing.

    Used as ``with db.reserve(…) as hold``, leaving the block without settling releases it.
    """

    def __init__(self, database: Settles, command: Reserve, result: ReservationResult) -> None:
        super().__init__(command, result)
        self._database = database

    def settle(
        self,
        used: AmountLike | None = None,
        *,
        quantity: int | None = None,
        credits: AmountLike | None = None,
        refuse_extra: bool = False,
    ) -> SettleResult:
        """Charge what was used: ``used`` is a quantity or credits, as it was reserved.

        The rest returns; more than was held is an ordinary charge, or refused whole with
        ``refuse_extra``. Where the extra is refused nothing changes and the hold stays open.
        """
        result = self._database._settle(self._settling(used, quantity, credits, refuse_extra))
        self.ended = result.status in _ENDED
        return result

    def release(self) -> ReleaseResult:
        """Return everything that is held."""
        result = self._database.release(self.account, self.reservation_id)
        self.ended = result.status in _ENDED
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.ended:
            return
        try:
            self.release()
        except Exception:
            # What went wrong in the block says more; the hold lapses by itself.
            if error is None:
                raise


class AioSettles(Protocol):
    """What a reservation needs of its database, awaited."""

    async def _settle(self, command: Settle) -> SettleResult: ...

    async def release(self, account: str, reservation_id: str) -> ReleaseResult: ...


class AioReservation(_Reserved):
    """``Reservation`` for asyncio; leaving ``async with`` without settling releases it."""

    def __init__(self, database: AioSettles, command: Reserve, result: ReservationResult) -> None:
        super().__init__(command, result)
        self._database = database

    async def settle(
        self,
        used: AmountLike | None = None,
        *,
        quantity: int | None = None,
        credits: AmountLike | None = None,
        refuse_extra: bool = False,
    ) -> SettleResult:
        """Charge what was used; see ``Reservation.settle``."""
        result = await self._database._settle(self._settling(used, quantity, credits, refuse_extra))
        self.ended = result.status in _ENDED
        return result

    async def release(self) -> ReleaseResult:
        """Return everything that is held."""
        result = await self._database.release(self.account, self.reservation_id)
        self.ended = result.status in _ENDED
        return result

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.ended:
            return
        try:
            await self.release()
        except Exception:
            if error is None:
                raise


class Reserving:
    """``await db.reserve(…)``, or ``async with db.reserve(…) as hold``."""

    def __init__(self, reserve: Callable[[], Awaitable[AioReservation]]) -> None:
        self._reserve = reserve
        self._reservation: AioReservation | None = None

    def __await__(self) -> Generator[Any, Any, AioReservation]:
        return self._reserve().__await__()

    async def __aenter__(self) -> AioReservation:
        self._reservation = await self._reserve()
        return self._reservation

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reservation is not None:
            await self._reservation.__aexit__(kind, error, trace)
