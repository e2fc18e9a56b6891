"""Reservations through every form of the client: embedded, over gRPC, awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import drawdown
import drawdown.aio
import pytest
from drawdown.cli.server_process import ServerProcess
from drawdown.client.interface import Database

from .conftest import SMALL, prepare

NewAccount = Callable[..., str]


def available(database: Database, account: str) -> Decimal:
    return database.balance(account, "credits").available


def test_settling_less_returns_the_difference(database: Database, new_account: NewAccount) -> None:
    """What is held is not available; what was used is charged, the rest comes back."""
    account = new_account(database, "100")
    with database.reserve(account, "calls", quantity=40, ttl=60) as hold:
        assert hold
        assert (hold.status, hold.held, hold.available) == ("OK", 40, 60)
        assert available(database, account) == 60
        assert database.balance(account, "credits").held == 40
        settled = hold.settle(15)
        assert (settled.status, settled.charged, settled.returned, settled.extra) == ("OK", 15, 25, 0)
        assert settled.available == 85
    assert hold.ended
    assert available(database, account) == 85
    assert database.reservations(account) == []
    assert database.verify(account)


def test_leaving_without_settling_releases(database: Database, new_account: NewAccount) -> None:
    """Also when the block is left by an exception, which passes on."""
    account = new_account(database, "10")
    with database.reserve(account, "calls", quantity=4):
        assert available(database, account) == 6
    assert available(database, account) == 10
    with pytest.raises(KeyError), database.reserve(account, "calls", quantity=4):
        raise KeyError("work failed")
    assert available(database, account) == 10


def test_more_than_held_is_charged_or_refused_whole(database: Database, new_account: NewAccount) -> None:
    """An extra beyond the balance is refused and the hold stays open; leaving the block releases it."""
    account = new_account(database, "10")
    with database.reserve(account, "calls", quantity=4) as hold:
        refused = hold.settle(6, refuse_extra=True)
        assert not refused
        assert not hold.ended
        beyond = hold.settle(11)
        assert (beyond.status, hold.ended) == ("INSUFFICIENT", False)
        settled = hold.settle(6)
        assert (settled.charged, settled.returned, settled.extra) == (6, 0, 2)
    assert available(database, account) == 4


def test_a_refused_reservation_is_falsy_and_holds_nothing(
    database: Database, new_account: NewAccount
) -> None:
    """The status says why; settling it is an error of use."""
    account = new_account(database, "3")
    with database.reserve(account, "calls", quantity=5) as hold:
        assert not hold
        assert (hold.status, hold.result.shortfall) == ("INSUFFICIENT", 2)
        with pytest.raises(drawdown.PreconditionError):
            hold.settle(1)
    assert database.reserve("nobody", "calls").status == "ACCOUNT_UNKNOWN"
    assert database.reserve(account, "nothing").status == "METER_UNKNOWN"
    assert available(database, account) == 3


def test_reservations_are_idempotent_by_id_and_content(database: Database, new_account: NewAccount) -> None:
    """The same again is a duplicate, other content a conflict; settling twice likewise."""
    account = new_account(database, "10")
    first = database.reserve(account, "calls", quantity=4, reservation_id="r")
    again = database.reserve(account, "calls", quantity=4, reservation_id="r")
    assert (first.status, again.status) == ("OK", "DUPLICATE")
    assert database.reserve(account, "calls", quantity=5, reservation_id="r").status == "CONFLICT"
    assert available(database, account) == 6
    assert database.settle(account, "r", quantity=3).status == "OK"
    assert database.settle(account, "r", quantity=3).status == "DUPLICATE"
    assert database.settle(account, "r", quantity=2).status == "CONFLICT"
    assert database.release(account, "never").status == "RESERVATION_UNKNOWN"
    assert available(database, account) == 7


def test_credits_can_be_reserved_without_a_meter(database: Database, new_account: NewAccount) -> None:
    """By credit type and by a meter's credits, settled in credits, exact to the scale."""
    account = new_account(database, "10")
    with database.reserve(account, credit_type="credits", credits="2.5") as hold:
        assert hold.held == Decimal("2.5")
        assert hold.settle("0.000000001").charged == Decimal("0.000000001")
    with database.reserve(account, "tokens", credits=3, dimensions={"model": "large"}) as hold:
        assert hold.held == 3
        assert hold.settle(credits="1.5").returned == Decimal("1.5")
    assert available(database, account) == Decimal("8.499999999")


def test_open_reservations_are_listed(database: Database, new_account: NewAccount) -> None:
    """With what they hold and until when, by id."""
    account = new_account(database, "100")
    before = datetime.now(UTC)
    database.reserve(account, "calls", quantity=7, reservation_id="b", ttl=timedelta(minutes=5))
    database.reserve(account, credit_type="credits", credits=2, reservation_id="a")
    found = database.reservations(account)
    assert [(each.reservation_id, each.meter, each.quantity, each.held) for each in found] == [
        ("a", None, None, 2),
        ("b", "calls", 7, 7),
    ]
    lives = found[1].expires_at
    assert lives is not None
    assert timedelta(minutes=4) < lives - before < timedelta(minutes=6)
    everywhere = {(each.account, each.reservation_id) for each in database.reservations()}
    assert {(account, "a"), (account, "b")} <= everywhere
    with pytest.raises(drawdown.AccountNotFoundError):
        database.reservations("nobody")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "meter"),
        ({"meter": "calls", "quantity": -1}, "quantity"),
        ({"meter": "calls", "ttl": 86_401}, "ttl"),
        ({"meter": "calls", "reservation_id": "line\nbreak"}, "reservation_id"),
        ({"meter": "calls", "reservation_id": ""}, "reservation_id"),
    ],
)
def test_input_that_cannot_be_taken_is_named(
    database: Database, new_account: NewAccount, fields: dict[str, object], field: str
) -> None:
    """Both forms raise with the same field."""
    account = new_account(database, "10")
    with pytest.raises(drawdown.InvalidRequestError) as refused:
        database.reserve(account, **fields)  # type: ignore[arg-type]
    assert refused.value.field == field
    assert available(database, account) == 10


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


def test_a_client_that_goes_away_releases_what_it_asked_to(
    server: ServerProcess, new_account: NewAccount
) -> None:
    """Only those reserved with the flag, and not what was settled before; others stay until they lapse."""
    with drawdown.connect(server.target) as watching:
        account = new_account(watching, "100")
        leaving = drawdown.connect(server.target)
        leaving.reserve(account, "calls", quantity=10, reservation_id="kept")
        leaving.reserve(account, "calls", quantity=20, reservation_id="lost", release_on_disconnect=True)
        done = leaving.reserve(account, "calls", quantity=30, release_on_disconnect=True)
        done.settle(5)
        assert available(watching, account) == 65
        leaving.close()
        assert eventually(lambda: available(watching, account) == 85)
        assert [each.reservation_id for each in watching.reservations(account)] == ["kept"]


def test_who_repeats_anothers_reservation_does_not_release_it(
    server: ServerProcess, new_account: NewAccount
) -> None:
    """It was made to stay: the repeat is a duplicate, and the end of who repeated it changes nothing."""
    with drawdown.connect(server.target) as first:
        account = new_account(first, "100")
        hold = first.reserve(account, "calls", quantity=10, reservation_id="job")
        second = drawdown.connect(server.target)
        again = second.reserve(
            account, "calls", quantity=10, reservation_id="job", release_on_disconnect=True
        )
        assert again.status == "DUPLICATE"
        # Of its own in the same session: when this is released, the other would be too.
        second.reserve(account, "calls", quantity=5, reservation_id="own", release_on_disconnect=True)
        second.reserve(account, "calls", quantity=5, reservation_id="own", release_on_disconnect=True)
        second.close()
        assert eventually(lambda: "own" not in [each.reservation_id for each in first.reservations(account)])
        assert [each.reservation_id for each in first.reservations(account)] == ["job"]
        assert hold.settle(10).status == "OK"


def test_a_killed_client_releases_what_it_asked_to(server: ServerProcess, new_account: NewAccount) -> None:
    """A process that is killed says no goodbye; its connection says it."""
    import subprocess
    import sys

    with drawdown.connect(server.target) as watching:
        account = new_account(watching, "100")
        script = (
            "import drawdown, sys, time\n"
            "db = drawdown.connect(sys.argv[1])\n"
            "db.reserve(sys.argv[2], 'calls', quantity=20, release_on_disconnect=True)\n"
            "print('held', flush=True); time.sleep(600)\n"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", script, server.target, account], stdout=subprocess.PIPE, text=True
        )
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "held\n"
            assert available(watching, account) == 80
        finally:
            child.kill()
            child.communicate()
        assert eventually(lambda: available(watching, account) == 100)


def test_a_drained_server_releases_nothing(tmp_path: Path) -> None:
    """Its clients have not gone: after the restart the hold stands and can be settled."""
    from drawdown.cli.server_process import free_port

    process = ServerProcess(tmp_path / "data", listen=f"127.0.0.1:{free_port()}")
    process.start()
    try:
        with drawdown.connect(process.target) as connection:
            prepare(connection)
            connection.create_account("a")
            connection.create_grant("a", "credits", amount="10", grant_id="g")
            hold = connection.reserve("a", "calls", quantity=4, ttl=3600, release_on_disconnect=True)
            process.stop()
            process.start()
            assert available(connection, "a") == 6
            second = connection.reserve("a", "calls", quantity=1, release_on_disconnect=True)
            assert second
            assert hold.settle(3).charged == 3
            assert available(connection, "a") == 6
    finally:
        process.stop()


def test_an_embedded_database_releases_at_close_what_was_asked(tmp_path: Path) -> None:
    """Opened again, only the other hold is left."""
    with drawdown.open(tmp_path / "data", **SMALL) as database:
        prepare(database)
        database.create_account("a")
        database.create_grant("a", "credits", amount="10", grant_id="g")
        database.reserve("a", "calls", quantity=4, ttl=3600, release_on_disconnect=True)
        database.reserve("a", "calls", quantity=1, ttl=3600, reservation_id="stays")
    with drawdown.open(tmp_path / "data", **SMALL) as database:
        assert available(database, "a") == 9
        assert [each.reservation_id for each in database.reservations()] == ["stays"]


def test_an_embedded_database_releases_at_close_what_a_refused_settle_left_open(tmp_path: Path) -> None:
    with drawdown.open(tmp_path / "data", **SMALL) as database:
        prepare(database)
        database.create_account("a")
        database.create_grant("a", "credits", amount="10", grant_id="g")
        hold = database.reserve("a", "calls", quantity=4, ttl=3600, release_on_disconnect=True)
        assert hold.settle(1_000).status == "INSUFFICIENT"
    with drawdown.open(tmp_path / "data", **SMALL) as database:
        assert database.reservations() == []


def test_an_embedded_database_leaves_at_close_what_it_only_repeated(tmp_path: Path) -> None:
    with drawdown.open(tmp_path / "data", **SMALL) as database:
        prepare(database)
        database.create_account("a")
        database.create_grant("a", "credits", amount="10", grant_id="g")
        database.reserve("a", "calls", quantity=4, ttl=3600, reservation_id="stays")
        again = database.reserve(
            "a", "calls", quantity=4, ttl=3600, reservation_id="stays", release_on_disconnect=True
        )
        assert again.status == "DUPLICATE"
    with drawdown.open(tmp_path / "data", **SMALL) as database:
        assert [each.reservation_id for each in database.reservations()] == ["stays"]


def test_the_awaited_form_holds_settles_and_releases(server: ServerProcess, new_account: NewAccount) -> None:
    """Both ways to enter, an exception on the way, listing, and the disconnect."""
    with drawdown.connect(server.target) as watching:
        account = new_account(watching, "100")

        async def run() -> None:
            async with drawdown.aio.connect(server.target) as db:
                async with db.reserve(account, "calls", quantity=40) as hold:
                    assert hold.held == 40
                    assert (await hold.settle(10)).returned == 30
                hold = await db.reserve(account, "calls", quantity=5, reservation_id="open")
                assert [each.reservation_id for each in await db.reservations(account)] == ["open"]
                assert (await db.settle(account, "open", quantity=5)).charged == 5
                with pytest.raises(KeyError):
                    async with db.reserve(account, "calls", quantity=40):
                        raise KeyError("work failed")
                assert (await db.balance(account, "credits")).available == 85
                held = await db.reserve(account, "calls", quantity=40, release_on_disconnect=True)
                assert held.available == 45
                assert (await db.release(account, "never")).status == "RESERVATION_UNKNOWN"

        asyncio.run(run())
        assert eventually(lambda: available(watching, account) == 85)


def test_a_session_must_be_open(server: ServerProcess, new_account: NewAccount) -> None:
    """A reservation asks for a session that is not there: refused, nothing held."""
    import grpc
    from drawdown.client.rpc_errors import error_of
    from drawdown.v1 import entitlement_pb2, entitlement_pb2_grpc

    with drawdown.connect(server.target) as database, grpc.insecure_channel(server.target) as channel:
        account = new_account(database, "10")
        stub = entitlement_pb2_grpc.EntitlementServiceStub(channel)
        request = entitlement_pb2.ReserveRequest(
            account_id=account, reservation_id="r", meter="calls", quantity=1, session_id="gone"
        )
        with pytest.raises(grpc.RpcError) as failure:
            stub.Reserve(request)
        assert error_of(failure.value).reason == "SESSION_UNKNOWN"
        keep = entitlement_pb2.KeepReservationsRequest(session_id="gone")
        stream = stub.KeepReservations(keep)
        next(stream)
        assert stub.Reserve(request).held == "1"
        with pytest.raises(grpc.RpcError) as twice:
            next(stub.KeepReservations(keep))
        assert twice.value.code() == grpc.StatusCode.ALREADY_EXISTS
        stream.cancel()
        assert eventually(lambda: available(database, account) == 10)
