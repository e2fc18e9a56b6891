"""The control plane through its public doors: embedded, over gRPC, on SQLite and on PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import drawdown
import pytest
from drawdown.cli.server_process import ServerProcess
from drawdown.client.interface import Database

from .postgresql import SKIP_REASON, PostgresqlServer, binaries, empty_schema

SMALL = {"segment_bytes": 1 << 20, "reserve_bytes": 0, "payments": "test"}
START = datetime(2026, 1, 31, tzinfo=UTC)


def prepare(database: Database) -> None:
    """Credit types, meters and a product to sell."""
    database.create_credit_type("credits")
    database.create_credit_type("minutes", scale=2)
    for meter in ("tokens", "calls", "storage"):
        database.create_meter(meter)
    database.create_product("ai", "AI")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server process that the tests of this folder share; they keep apart by their ids."""
    with ServerProcess(tmp_path_factory.mktemp("control") / "data", settings={"payments": "test"}) as process:
        with drawdown.connect(process.target) as connection:
            prepare(connection)
        yield process


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """An embedded database that the tests of this folder share."""
    with drawdown.open(tmp_path_factory.mktemp("control") / "data", **SMALL) as opened:
        prepare(opened)
        yield opened


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """One PostgreSQL for all: its URL. Databases in it keep apart by their schemas."""
    folder = binaries()
    if folder is None:
        pytest.skip(SKIP_REASON)
    with PostgresqlServer(folder) as server:
        yield server.url


@pytest.fixture(scope="session")
def embedded_postgresql(postgresql: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """As ``embedded``, with the control plane's rows in PostgreSQL."""
    folder = tmp_path_factory.mktemp("control-postgresql") / "data"
    with drawdown.open(folder, db=empty_schema(postgresql), **SMALL) as opened:
        prepare(opened)
        yield opened


@pytest.fixture(params=["sqlite", "postgresql"])
def db_url(request: pytest.FixtureRequest) -> str:
    """Where a database of the test's own keeps its rows: the value of ``db``, for either database."""
    return "" if request.param == "sqlite" else empty_schema(request.getfixturevalue("postgresql"))


@pytest.fixture(params=["embedded", "grpc", "postgresql"])
def db(request: pytest.FixtureRequest) -> Iterator[Database]:
    """Both doors, and the first of them once more over PostgreSQL."""
    if request.param != "grpc":
        embedded = "embedded" if request.param == "embedded" else "embedded_postgresql"
        yield request.getfixturevalue(embedded)
        return
    process: ServerProcess = request.getfixturevalue("server")
    with drawdown.connect(process.target) as connection:
        yield connection


_numbers = itertools.count(1)


@pytest.fixture
def name() -> Callable[[str], str]:
    """Ids that nobody else has."""
    number = next(_numbers)
    return lambda stem: f"{stem}-{number}"


@pytest.fixture
def account(db: Database, name: Callable[[str], str]) -> str:
    """An account on a clock of its own that stands at ``START``, whose customer has a card."""
    customer = name("customer")
    db.put_customer(customer, payment_method="test_ok")
    assert db.create_account(name("account"), customer_id=customer, test_clock=START)
    return name("account")
