"""One server for the tests that leave it running; others start their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from drawdown.model.rights import Right
from drawdown.storage.key_file import KeyFile

from tests.server.calls import Calls, set_up
from tests.server.keyed import BOUND, Keyed
from tests.server.processes import ServerProcess, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A serving process with an empty ledger at first, shared by a module."""
    folder: Path = tmp_path_factory.mktemp("server") / "data"
    with serving(folder, metrics="127.0.0.1:0") as started:
        yield started


@pytest.fixture(scope="module")
def calls(server: ServerProcess) -> Iterator[Calls]:
    """Calls to it, after ``set_up``."""
    made = Calls(server.address)
    set_up(made)
    yield made
    made.close()


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    data: Path = tmp_path_factory.mktemp("keyed") / "data"
    _, admin = KeyFile(data).create("root", set(Right))
    with serving(data) as server:
        made = Keyed(data, server, admin)
        yield made
        made.admin.close()


@pytest.fixture(scope="module")
def bound(keyed: Keyed) -> Calls:
    """A caller for whom only accounts ``a-…`` exist."""
    return keyed.calls("bound", BOUND, account_prefix="a-")
