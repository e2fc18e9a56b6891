"""Servers that cannot be reached, and what the client says of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import drawdown
import pytest
from drawdown import errors
from drawdown.client.unreachable import unreachable
from drawdown.embedded import EmbeddedDatabase

from tests.server.processes import ServerProcess, serving
from tests.server.test_tls import CA, target, tls_flags


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with serving(tmp_path_factory.mktemp("encrypted"), **tls_flags()) as server:
        yield server


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with serving(tmp_path_factory.mktemp("plain")) as server:
        yield server


def said(address: str, **credentials: object) -> str:
    """What a call over a connection of these raises, in a few tries."""
    connection = drawdown.connect(address, timeout_s=3, **credentials)  # type: ignore[arg-type]
    with connection, pytest.raises(errors.UnavailableError) as raised:
        connection.balance("acme", "credits")
    return raised.value.message


def test_plaintext_to_a_server_with_tls(encrypted: ServerProcess) -> None:
    assert "it wants TLS" in said(encrypted.address)


def test_tls_to_a_server_without(plain: ServerProcess) -> None:
    assert "does not speak TLS" in said(plain.address, root_certificates=CA)


def test_an_authority_that_did_not_sign(encrypted: ServerProcess) -> None:
    assert "signed by no authority known here" in said(encrypted.address, tls=drawdown.Tls())


def test_a_name_that_is_not_in_the_certificate(encrypted: ServerProcess) -> None:
    address = target(encrypted).replace("localhost", "0.0.0.0")
    assert "made out to another name" in said(address, root_certificates=CA)


def test_certificates_that_are_none(encrypted: ServerProcess) -> None:
    assert "PEM is what they must be" in said(encrypted.address, root_certificates=b"junk")


def test_waiting_for_a_server_ends_when_it_answers(plain: ServerProcess) -> None:
    with drawdown.connect(plain.address) as connection:
        connection.wait_ready(10)


def test_other_failures_keep_their_words() -> None:
    """Only a connection that was not made is told of as one."""
    assert unreachable("account 'Socket closed' is suspended") is None


@pytest.mark.parametrize("wrong", [None, 7, b"acme", ["acme"]])
def test_a_value_of_another_type_names_its_field(
    tmp_path_factory: pytest.TempPathFactory, plain: ServerProcess, wrong: object
) -> None:
    """Before anything is sent, the same in both forms."""
    folder = tmp_path_factory.mktemp("types") / "data"
    with (
        drawdown.open(folder, segment_bytes=1 << 20, reserve_bytes=0) as opened,
        drawdown.connect(plain.address) as connected,
    ):
        for database in (opened, connected):
            with pytest.raises(errors.InvalidRequestError, match="account: ") as raised:
                database.create_account(wrong)  # type: ignore[arg-type]
            assert raised.value.field == "account"


def test_reasons_of_the_engine_are_those_of_the_tree(tmp_path: Path) -> None:
    """One code per fault: what the extension says is what a server would send and a client look up."""
    opened: EmbeddedDatabase = drawdown.open(tmp_path / "data", segment_bytes=1 << 20, reserve_bytes=0)
    with pytest.raises(errors.FolderLockedError) as locked:
        drawdown.open(tmp_path / "data")
    assert locked.value.reason == errors.FolderLockedError.reason
    opened.close()
    with pytest.raises(errors.EngineHaltedError) as halted:
        opened.balance("acme", "credits")
    assert halted.value.reason == errors.EngineHaltedError.reason
    (tmp_path / "data" / "META").write_bytes(b"damaged")
    with pytest.raises(errors.CorruptDataError) as corrupt:
        drawdown.open(tmp_path / "data")
    assert corrupt.value.reason == errors.CorruptDataError.reason
