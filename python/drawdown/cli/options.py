"""Options that many commands share, and what they open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from drawdown.client.interface import Database
from drawdown.client.tls import Tls
from drawdown.errors import InvalidRequestError
from drawdown.model.money import Money, money_from

if TYPE_CHECKING:
    from drawdown.client.sync import Connection

# A server that is just starting is there within this; a wrong address is no matter of patience.
REACH_S = 5.0

AccountArgument = Annotated[str, typer.Argument(help="Account id.")]
DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Data folder, opened in this process.")
]
TargetOption = Annotated[
    str | None, typer.Option("--target", metavar="HOST:PORT", help="A running server instead of a folder.")
]
ApiKeyOption = Annotated[
    str | None, typer.Option("--api-key", envvar="DRAWDOWN_API_KEY", help="Credential for --target.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON value instead of text for people.")]


class DatabaseOptions(msgspec.Struct, frozen=True):
    """Which database a command works on, as typed; without either a server's folder: ``./data``, unless the
    environment says otherwise (setting ``data``).
    """

    data: Path | None = None
    target: str | None = None
    api_key: str | None = None

    @property
    def folder(self) -> Path:
        """The data folder, where no server is named. Raises ``ConfigError``."""
        return folder_from(self.data)

    def check(self) -> None:
        """Raise ``InvalidRequestError`` when both a folder and a server are named."""
        if self.data is not None and self.target is not None:
            raise InvalidRequestError("target: give --data or --target, not both", field="target")

    def open(self, *, create: bool = False) -> Database:
        """The database, open. A new store is begun with ``create`` only.

        Raises ``InvalidRequestError`` when both are named or there is no store, and what opening raises.
        """
        self.check()
        if self.target is not None:
            return connect_target(self.target, self.api_key)
        return open_folder(self.folder, create=create)

    @contextmanager
    def open_to(self, *, dry_run: bool) -> Iterator[Database]:
        """The database, made where there is none; a dry run is then judged by one that nobody keeps."""
        from drawdown.runtime.new_store import holds_store

        self.check()
        # A server's folder is none of this machine's: where one is named, no setting is read.
        if self.target is not None or not dry_run or holds_store(self.folder) or self.folder.is_file():
            with self.open(create=True) as database:
                yield database
            return
        from drawdown.embedded import open as open_embedded

        with (
            TemporaryDirectory(prefix="drawdown-dry-run-") as apart,
            open_embedded(apart, reserve_bytes=0) as database,
        ):
            yield database


def folder_from(data: Path | None) -> Path:
    """The data folder as typed, or that of a server started here. Raises ``ConfigError``."""
    from drawdown.config import load

    return Path(load().process.data) if data is None else data


def open_folder(folder: Path, *, create: bool = False, db: str | None = None) -> Database:
    """A data folder, open in this process; ``create`` may begin a store in it, wherever a server might.

    ``db`` names the control plane's database; without it the environment does. Raises ``InvalidRequestError``
    where the folder holds no store and none is begun, and what ``require_store`` raises.
    """
    from drawdown.config import load
    from drawdown.embedded import open_configured
    from drawdown.runtime.new_store import holds_store, require_store

    # The engine's settings come from the environment, as those of a server on the folder would.
    config = load(flags={"data": str(folder), "db": db})
    if not create and not holds_store(folder):
        found = f"{folder} holds no store" if folder.is_dir() else f"there is no folder {folder}"
        raise InvalidRequestError(
            f"data: {found}; name one with --data, or a server with --target", field="data"
        )
    require_store(config.process)
    return open_configured(folder, config)


def connect_target(target: str, api_key: str | None = None, *, timeout_s: float = 30) -> Connection:
    """A connection to the server that ``--target`` names, which has answered.

    Raises ``UnavailableError`` when it does not within ``REACH_S``: whoever typed the address is waiting.
    """
    from drawdown.client.sync import connect

    connection = connect(target, api_key=api_key, timeout_s=timeout_s, tls=target_tls())
    try:
        connection.wait_ready(REACH_S)
    except BaseException:
        connection.close()
        raise
    return connection


def target_tls() -> Tls | None:
    """TLS for ``--target``, from the environment: the authority's certificate, and this client's own."""
    from drawdown.client.tls import tls_from_files

    def path(variable: str) -> Path | None:
        value = os.environ.get(variable)
        return Path(value) if value else None

    return tls_from_files(
        path("DRAWDOWN_TARGET_CA"), path("DRAWDOWN_TARGET_CERTIFICATE"), path("DRAWDOWN_TARGET_KEY")
    )


def instant_from(text: str | None, field: str) -> datetime | None:
    """An instant as typed: ISO 8601, UTC where it names no zone. Raises ``InvalidRequestError``."""
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequestError(
            f"{field}: {text!r} is not an instant; write it like 2026-03-01T12:00:00Z", field=field
        ) from None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def money_from_text(text: str, field: str) -> Money:
    """Money as typed, ``12.50 USD``. Raises ``InvalidRequestError`` naming ``field``."""
    figure, _, currency = text.strip().partition(" ")
    if not currency:
        raise InvalidRequestError(f"{field}: write it like '12.50 USD'", field=field)
    return money_from(figure, currency.strip())


def pairs_from(texts: list[str] | None, field: str) -> dict[str, str]:
    """``["model=large", …]`` as a mapping. Raises ``InvalidRequestError`` for a text without ``=``."""
    pairs: dict[str, str] = {}
    for text in texts or ():
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise InvalidRequestError(f"{field}: {text!r} is not KEY=VALUE", field=field)
        if key in pairs:
            raise InvalidRequestError(f"{field}: {key!r} is given twice", field=field)
        pairs[key] = value
    return pairs
