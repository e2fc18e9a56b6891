"""The typed reservation calls of EntitlementService, and the sessions that keep reservations.

A session is one open ``KeepReservations`` stream. Whatever ends it from the client's side, a broken
connection included, releases what is still open of its reservations. A server that stops or dies
releases nothing: its clients come back, and what they forget lapses.
"""

import asyncio
import logging
import threading
from datetime import timedelta
from typing import Final, TypeAlias

from google.protobuf import duration_pb2

from drawdown import errors, model
from drawdown.engine import Engine
from drawdown.model import commands
from drawdown.model.ids import check_id
from drawdown.model.instants import optional_us
from drawdown.model.reservation_commands import check_ttl
from drawdown.model.reservation_results import (
    NOTHING_OPEN,
    release_result,
    reservation_result,
    settle_result,
)
from drawdown.server import convert, status
from drawdown.server.access import Access, Principal, Right
from drawdown.server.context import Context
from drawdown.server.pages import page_size
from drawdown.server.refusals import require_visible
from drawdown.server.typed import parsed_to_keep
from drawdown.server.usage_service import draining
from drawdown.v1 import entitlement_pb2 as pb

_log = logging.getLogger("drawdown.server")

SESSIONS_MAX: Final = 10_000
# Reservations of one session before it is looked which of them have lapsed.
KEPT: Final = 1_000
_TOKEN_SEPARATOR: Final = "\n"

_Hold: TypeAlias = tuple[str, str]
"""Account and reservation id."""


class _Session:
    """One open stream: whose it is, what it keeps and until when that can live, in microseconds."""

    def __init__(self, caller: Principal) -> None:
        self.caller = caller.name, caller.key_id
        self.kept: dict[_Hold, int] = {}
        self.looked_through_at = KEPT


class ReservationSessions:
    """Open sessions and what each has reserved. Safe to use from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._open: dict[str, _Session] = {}
        self._session_of: dict[_Hold, _Session] = {}

    def __len__(self) -> int:
        return len(self._open)

    def open(self, session_id: str, caller: Principal) -> None:
        """Raises ``AlreadyExistsError`` for one that is open, ``OverloadedError`` at the limit."""
        with self._lock:
            if session_id in self._open:
                raise errors.AlreadyExistsError(
                    f"session_id: {session_id!r} is open on another stream", field="session_id"
                )
            if len(self._open) >= SESSIONS_MAX:
                raise errors.OverloadedError(f"{SESSIONS_MAX} reservation sessions are open already")
            self._open[session_id] = _Session(caller)

    def is_open(self, session_id: str, caller: Principal) -> bool:
        """Whether this caller has the session open; others' are nobody's business."""
        session = self._open.get(session_id)
        return session is not None and session.caller == (caller.name, caller.key_id)

    def keep(self, session_id: str, hold: _Hold, until_us: int) -> bool:
        """Remember a reservation that the session has made; False when it has ended meanwhile.

        A repeat is nothing to remember: what another caller made, with a session or without, is that
        caller's, and this session's own is kept already.
        """
        with self._lock:
            session = self._open.get(session_id)
            if session is None:
                return False
            self._forget(hold)
            session.kept[hold] = until_us
            self._session_of[hold] = session
            is_due = len(session.kept) >= session.looked_through_at
        if is_due:
            self._forget_lapsed(session)
        return True

    def _forget(self, hold: _Hold) -> None:
        session = self._session_of.pop(hold, None)
        if session is not None:
            session.kept.pop(hold, None)

    def _forget_lapsed(self, session: _Session) -> None:
        """So that a session of any age keeps at most twice what is open of it; no call tells of a lapse."""
        clocks, now_us = self._engine.test_clocks(), self._engine.now_us()
        with self._lock:
            lapsed = [
                hold for hold, until_us in session.kept.items() if until_us <= clocks.get(hold[0], now_us)
            ]
            for hold in lapsed:
                self._forget(hold)
            session.looked_through_at = max(KEPT, 2 * len(session.kept))

    def ended(self, account: str, reservation_id: str) -> None:
        """The reservation is not open any more: no session has to release it."""
        with self._lock:
            self._forget((account, reservation_id))

    def close(self, session_id: str) -> set[_Hold]:
        """End a session; answers what it still kept."""
        with self._lock:
            session = self._open.pop(session_id, None)
            kept = set() if session is None else set(session.kept)
            for each in kept:
                self._forget(each)
            return kept


class ReservationService:
    """Reserve, Settle, Release and ListReservations; each runs in a worker thread and may block."""

    DESCRIPTOR: Final = pb.DESCRIPTOR.services_by_name["EntitlementService"]
    RIGHTS: Final = {
        "Reserve": Right.INGEST,
        "Settle": Right.INGEST,
        "Release": Right.INGEST,
        "ListReservations": Right.READ,
    }

    def __init__(self, engine: Engine, sessions: ReservationSessions) -> None:
        self._engine = engine
        self._sessions = sessions

    def Reserve(self, request: pb.ReserveRequest, principal: Principal) -> pb.ReserveResponse:
        session_id = request.session_id
        if session_id and not self._sessions.is_open(session_id, principal):
            raise _no_session(session_id)
        command = commands.reserve(
            request.account_id,
            request.reservation_id,
            meter=request.meter if request.WhichOneof("subject") == "meter" else None,
            credit_type=request.credit_type if request.WhichOneof("subject") == "credit_type" else None,
            quantity=request.quantity if request.WhichOneof("amount") == "quantity" else None,
            credits=request.credits if request.WhichOneof("amount") == "credits" else None,
            dimensions=dict(request.dimensions),
            ttl=_ttl(request.ttl) if request.HasField("ttl") else 60,
        )
        found = reservation_result(self._apply(command, principal), request.reservation_id)
        if session_id and found.status == "OK":
            hold = request.account_id, request.reservation_id
            if not self._sessions.keep(session_id, hold, optional_us(found.expires_at) or 0):
                self._engine.execute([commands.release(*hold)])
                raise _no_session(session_id)
        return pb.ReserveResponse(
            status=convert.status_number(found.status),
            held=convert.optional_text(found.held),
            headroom=convert.optional_text(found.headroom),
            uncovered=convert.optional_text(found.uncovered),
            available=convert.optional_text(found.available),
            shortfall=convert.optional_text(found.shortfall),
            expires_at=convert.timestamp(found.expires_at),
            seq=found.seq,
        )

    def Settle(self, request: pb.SettleRequest, principal: Principal) -> pb.SettleResponse:
        command = commands.settle(
            request.account_id,
            request.reservation_id,
            quantity=request.quantity if request.WhichOneof("actual") == "quantity" else None,
            credits=request.credits if request.WhichOneof("actual") == "credits" else None,
            refuse_extra=request.refuse_extra,
        )
        found = settle_result(self._apply(command, principal))
        if found.status in NOTHING_OPEN:
            self._sessions.ended(request.account_id, request.reservation_id)
        return pb.SettleResponse(
            status=convert.status_number(found.status),
            charged=convert.optional_text(found.charged),
            returned=convert.optional_text(found.returned),
            extra=convert.optional_text(found.extra),
            uncovered=convert.optional_text(found.uncovered),
            available=convert.optional_text(found.available),
            seq=found.seq,
        )

    def Release(self, request: pb.ReleaseRequest, principal: Principal) -> pb.ReleaseResponse:
        command = commands.release(request.account_id, request.reservation_id)
        found = release_result(self._apply(command, principal))
        if found.status in NOTHING_OPEN:
            self._sessions.ended(request.account_id, request.reservation_id)
        return pb.ReleaseResponse(
            status=convert.status_number(found.status),
            returned=convert.optional_text(found.returned),
            available=convert.optional_text(found.available),
            seq=found.seq,
        )

    def ListReservations(
        self, request: pb.ListReservationsRequest, principal: Principal
    ) -> pb.ListReservationsResponse:
        account = request.account_id
        if account:
            require_visible(account, principal)
        elif principal.account_prefix:
            raise errors.PermissionDeniedError("a credential bound to accounts lists those of one account")
        found, more = self._engine.reservations_page(
            account or None, after=_after(request.page_token), limit=page_size(request.page_size)
        )
        seq = found[0].seq if found else self._engine.durable_seq()
        self._engine.wait_durable(seq)
        last = f"{found[-1].account}{_TOKEN_SEPARATOR}{found[-1].reservation_id}" if found else ""
        return pb.ListReservationsResponse(
            reservations=[_reservation_message(each) for each in found],
            next_page_token=last if more else "",
            seq=seq,
        )

    def _apply(self, command: commands.Command, principal: Principal) -> model.CommandResult:
        (result,) = self._engine.execute([command], account_prefix=principal.account_prefix)
        return result


class ReservationKeeper:
    """The handler of ``KeepReservations``, on the event loop."""

    def __init__(self, engine: Engine, access: Access, sessions: ReservationSessions) -> None:
        self._engine = engine
        self._access = access
        self._sessions = sessions
        self._draining = asyncio.Event()
        self.released = 0

    async def keep_reservations(self, body: bytes, context: Context) -> None:
        """``KeepReservations``: open until the client goes, or the server drains."""
        try:
            caller = self._access.principal(context, Right.INGEST, "EntitlementService/KeepReservations")
            if self._draining.is_set():
                raise draining()
            request = parsed_to_keep(pb.KeepReservationsRequest, body)
            session_id = check_id(request.session_id, "session_id")
            self._sessions.open(session_id, caller)
        except errors.DrawdownError as raised:
            await status.abort(context, raised)
        drained = False
        try:
            await context.write(b"")
            await self._draining.wait()
            drained = True
        finally:
            kept = self._sessions.close(session_id)
            if kept and not drained:
                # Not in this task: it is being cancelled.
                asyncio.get_running_loop().run_in_executor(None, self._release, kept)

    def _release(self, kept: set[_Hold]) -> None:
        for account, reservation_id in sorted(kept):
            try:
                (result,) = self._engine.execute([commands.release(account, reservation_id)])
                self.released += result.status == "OK"
            except errors.EngineHaltedError:
                return
            except errors.DrawdownError:
                _log.exception("a reservation of a lost client was not released; it lapses")

    def drain(self) -> None:
        """End every session without releasing anything: the clients have not gone, the server has."""
        self._draining.set()


def _no_session(session_id: str) -> errors.PreconditionError:
    return errors.PreconditionError(
        f"session_id: no KeepReservations stream of {session_id[:128]!r} is open; open one first",
        reason="SESSION_UNKNOWN",
        field="session_id",
    )


def _ttl(given: duration_pb2.Duration) -> timedelta:
    us = convert.duration_us(given, "ttl")
    # First: a timedelta cannot hold all that a message can.
    check_ttl(us, f"{given.seconds} s")
    return timedelta(microseconds=us)


def _after(token: str) -> tuple[str, str] | None:
    if not token:
        return None
    account, separator, reservation_id = token.partition(_TOKEN_SEPARATOR)
    if not separator:
        raise errors.InvalidRequestError("page_token: not one that this call gave", field="page_token")
    return check_id(account, "page_token"), check_id(reservation_id, "page_token")


def _reservation_message(found: model.OpenReservation) -> pb.Reservation:
    return pb.Reservation(
        account_id=found.account,
        reservation_id=found.reservation_id,
        credit_type=found.credit_type,
        scale=found.scale,
        meter=found.meter or "",
        quantity=found.quantity,
        held=convert.optional_text(found.held),
        headroom=convert.optional_text(found.headroom),
        created_at=convert.timestamp(found.created_at),
        expires_at=convert.timestamp(found.expires_at),
    )
