"""One database per form, shared by a module: tests keep apart by using accounts of their own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import drawdown
import pytest
from drawdown.cli.server_process import ServerProcess
from drawdown.client.interface import Database

# The engine's own defaults are for production: they set space aside in every folder.
SMALL = {"segment_bytes": 1 << 20, "reserve_bytes": 0}


def prepare(database: Database) -> None:
    """The catalog that these tests price with; repeating it changes nothing."""
    database.create_credit_type("credits", scale=9)
    database.create_credit_type("cents", scale=2)
    database.create_meter("tokens", unit="tokens", dimensions=["model"])
    database.create_meter("calls")
    database.set_rate(meter="tokens", credits="2.50", per=1_000_000)
    database.set_rate(meter="tokens", credits="10", per=1_000_000, match={"model": "large"})
    database.set_rate(meter="calls", credits="1")
    # Priced only by dimension, in two credit types of different scales.
    database.create_meter("pages", dimensions=["size"])
    database.set_rate(meter="pages", credits="0.000000001", match={"size": "a4"})
    database.set_rate(meter="pages", credits="0.25", credit_type="cents", match={"size": "a3"})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A real server process on a folder of its own."""
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as process:
        with drawdown.connect(process.target) as connection:
            prepare(connection)
        yield process


@pytest.fixture(scope="module", params=["embedded", "grpc"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The same interface in both forms."""
    if request.param == "embedded":
        with drawdown.open(tmp_path_factory.mktemp("embedded") / "data", **SMALL) as opened:
            prepare(opened)
            yield opened
    else:
        process: ServerProcess = request.getfixturevalue("server")
        with drawdown.connect(process.target) as connection:
            yield connection


_numbers = itertools.count(1)


@pytest.fixture
def new_account() -> Callable[..., str]:
    """Make an account nobody has used, with credits if an amount is given."""

    def make(database: Database, amount: str | None = None, **fields: object) -> str:
        account = f"account-{next(_numbers)}"
        assert database.create_account(account, **fields)  # type: ignore[arg-type]
        if amount is not None:
            assert database.create_grant(account, "credits", amount=amount, grant_id="first")
        return account

    return make
