"""What a session keeps is what it has open: nothing that has ended, and nothing of another caller."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import drawdown
import grpc
import pytest
from drawdown.embedded import EmbeddedDatabase
from drawdown.model.rights import Right
from drawdown.server.access import LOCAL
from drawdown.server.reservation_service import KEPT, ReservationService, ReservationSessions
from drawdown.v1 import entitlement_pb2 as pb

from tests.server.keyed import MINE, Keyed
from tests.server.processes import eventually

# Long over, so that what is open there has lapsed by every other clock.
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Desk:
    """The calls on a real engine, with the session ``s`` open."""

    def __init__(self, database: EmbeddedDatabase) -> None:
        self.sessions = ReservationSessions(database.engine)
        self._service = ReservationService(database.engine, self.sessions)
        self.sessions.open("s", LOCAL)

    def reserve(self, reservation_id: str, account: str = "a", **ttl: int) -> pb.ReserveResponse:
        return self._service.Reserve(
            pb.ReserveRequest(
                account_id=account,
                reservation_id=reservation_id,
                meter="calls",
                quantity=1,
                ttl=ttl or {"seconds": 3600},
                session_id="s",
            ),
            LOCAL,
        )

    def settle(self, reservation_id: str, quantity: int = 1) -> str:
        request = pb.SettleRequest(account_id="a", reservation_id=reservation_id, quantity=quantity)
        return status_of(self._service.Settle(request, LOCAL).status)

    def release(self, reservation_id: str) -> str:
        request = pb.ReleaseRequest(account_id="a", reservation_id=reservation_id)
        return status_of(self._service.Release(request, LOCAL).status)


def status_of(number: int) -> str:
    name: str = pb.SettleResponse.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_number[number].name
    return name.removeprefix("STATUS_")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[EmbeddedDatabase]:
    with drawdown.open(tmp_path / "data", segment_bytes=1 << 20, reserve_bytes=0) as opened:
        opened.create_credit_type("credits")
        opened.create_meter("calls")
        opened.set_rate(meter="calls", credits="1")
        for account, clock in (("a", None), ("old", LONG_AGO)):
            opened.create_account(account, test_clock=clock)
            opened.create_grant(account, "credits", amount="100", grant_id="g")
        yield opened


@pytest.fixture
def desk(database: EmbeddedDatabase) -> Desk:
    return Desk(database)


def test_a_session_does_not_keep_what_has_lapsed(desk: Desk) -> None:
    """However many there were; what is open by its account's own clock is kept."""
    assert status_of(desk.reserve("open").status) == "OK"
    assert status_of(desk.reserve("open", account="old").status) == "OK"
    for number in range(KEPT):
        assert status_of(desk.reserve(f"r{number}", nanos=1000).status) == "OK"
    kept = desk.sessions.close("s")
    assert {("a", "open"), ("old", "open")} <= kept
    assert len(kept) < 10


def test_what_turns_out_to_have_ended_is_not_kept(desk: Desk, database: EmbeddedDatabase) -> None:
    for name in ("lapsed", "lapsed too", "elsewhere", "open"):
        desk.reserve(name, **({"nanos": 1000} if name.startswith("lapsed") else {}))
    database.release("a", "elsewhere")
    eventually(lambda: len(database.reservations("a")) == 1, "two have lapsed")
    assert desk.settle("lapsed") == "CONFLICT"
    assert desk.release("lapsed too") in ("CONFLICT", "DUPLICATE")
    assert desk.settle("elsewhere") == "CONFLICT"
    # Refused, and open as before.
    assert desk.settle("open", quantity=1_000) == "INSUFFICIENT"
    assert desk.sessions.close("s") == {("a", "open")}


def test_a_session_is_its_callers_alone(keyed: Keyed) -> None:
    """Who knows its name, but has another key, reserves nothing under it."""
    mine, other = (keyed.calls(name, {Right.INGEST, Right.READ}) for name in ("keeps", "knows"))
    stream = mine.channel.unary_stream(
        "/drawdown.v1.EntitlementService/KeepReservations",
        request_serializer=pb.KeepReservationsRequest.SerializeToString,
        response_deserializer=pb.KeepReservationsResponse.FromString,
    )(pb.KeepReservationsRequest(session_id="mine"), metadata=mine.metadata)
    ending = threading.Timer(60, stream.cancel)
    ending.start()
    next(stream)
    request = pb.ReserveRequest(
        account_id=MINE, reservation_id="r", meter="tokens", quantity=1, session_id="mine"
    )
    with pytest.raises(grpc.RpcError) as refused:
        other.call("EntitlementService/Reserve", request)
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert status_of(mine.call("EntitlementService/Reserve", request).status) == "OK"
    ending.cancel()
    stream.cancel()
