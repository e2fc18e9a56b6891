"""``drawdown verify``, ``snapshot``, ``backup``, ``restore`` and ``stats``: for operators."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import Progress, TaskID

from drawdown.cli import exit_codes
from drawdown.cli.options import (
    ApiKeyOption,
    DatabaseOptions,
    JsonOption,
    TargetOption,
    connect_target,
    open_folder,
)
from drawdown.cli.output import console, print_json, print_table
from drawdown.errors import InvalidRequestError


def verify(
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help="A data folder not in use.")] = None,
    target: TargetOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Check every byte of a folder not in use, or the books of a running server. Changes nothing.

    Exits with 0 when all is well, with 1 when credits are not accounted for, with 65 when bytes are
    damaged: the message names file and offset.
    """
    if folder is not None and target is None:
        report, holds = _verify_folder(folder)
    elif target is not None and folder is None:
        report, holds = _verify_server(target, api_key)
    else:
        raise InvalidRequestError("verify: name a folder, or a server with --target", field="folder")
    if json:
        print_json({"holds": holds, **report})
    else:
        print_table("Verified", ["what", "found"], sorted(_flat(report).items()))
        console.print("every credit is accounted for" if holds else "credits are NOT accounted for")
    if not holds:
        raise typer.Exit(exit_codes.REFUSED)


def _verify_folder(folder: Path) -> tuple[dict[str, Any], bool]:
    from drawdown.engine import verify_folder

    if not folder.is_dir():
        raise InvalidRequestError(f"verify: there is no folder {folder}", field="folder")
    report = verify_folder(str(folder))
    return report, bool(report["conservation"]["holds"])


def _verify_server(target: str, api_key: str | None) -> tuple[dict[str, Any], bool]:
    with connect_target(target, api_key) as connection:
        conservation = connection.verify()
        report = {
            "accounts": conservation.accounts,
            "pools": conservation.pools,
            "grants": conservation.grants,
            "violations": list(conservation.violations),
            "totals": conservation.totals,
            "digest": connection.digest(),
            "seq": conservation.seq,
        }
    return report, conservation.holds


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested facts as ``outer.inner`` rows."""
    rows: dict[str, Any] = {}
    for key, each in value.items():
        if isinstance(each, dict):
            rows.update(_flat(each, f"{prefix}{key}."))
        else:
            rows[f"{prefix}{key}"] = each
    return rows


def snapshot(
    target: Annotated[str, typer.Option(metavar="HOST:PORT", help="A running server.")] = "localhost:7070",
    full: Annotated[
        bool, typer.Option("--full", help="Write everything, not only what has changed.")
    ] = False,
    local: Annotated[
        bool, typer.Option("--local", help="A checkpoint in the data folder instead of the snapshot store.")
    ] = False,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Write a snapshot now and say up to which journal position a restore would reach."""
    with connect_target(target, api_key, timeout_s=600) as connection:
        report = {"checkpoint_seq": connection.checkpoint()} if local else connection.snapshot(full=full)
    if json:
        print_json(report)
    else:
        print_table("Snapshot", ["what", "found"], report.items())


def backup(
    places: Annotated[
        list[Path],
        typer.Argument(metavar="[DIR] DEST", help="The data folder, unless --target; a new folder to fill."),
    ],
    db: Annotated[
        str | None,
        typer.Option(
            "--db", metavar="URL", help="Database of the folder's control plane, where it has another."
        ),
    ] = None,
    target: TargetOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Copy engine and control plane, as they are at one moment, into a new folder.

    A server keeps running meanwhile; the folder is made on its machine. Keep it readable by operators only.
    """
    if len(places) != (1 if target else 2):
        raise InvalidRequestError(
            "backup: name the data folder and the new folder, or with --target the new folder alone",
            field="places",
        )
    if target is not None and db is not None:
        raise InvalidRequestError("db: the server names its database; leave --db out", field="db")
    if target is None:
        _require_begun(places[0], db)
        with open_folder(places[0], db=db) as database:
            taken = database.take_backup(places[1].absolute())
    else:
        with connect_target(target, api_key, timeout_s=3600) as connection:
            taken = connection.take_backup(places[0].absolute())
    if json:
        print_json(taken)
    else:
        print_table("Backup", ["what", "found"], msgspec.to_builtins(taken).items())


def _require_begun(folder: Path, db: str | None) -> None:
    """What is copied is there already: a backup begins no control plane. Raises ``ConfigError``."""
    from drawdown.config import load
    from drawdown.storage.sql.elsewhere import require_begun

    process = load(flags={"data": str(folder), "db": db}).process
    require_begun(process.db, process.data)


def restore(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="An absent or empty folder to fill.")],
    from_redis: Annotated[
        str | None, typer.Option("--from-redis", metavar="URL", help="The snapshot store.")
    ] = None,
    from_backup: Annotated[
        Path | None,
        typer.Option("--from-backup", metavar="DIR", help="A backup, the control plane included."),
    ] = None,
    db: Annotated[
        str,
        typer.Option("--db", metavar="URL", help="Of a backup: an empty PostgreSQL database for its rows."),
    ] = "",
    namespace: Annotated[str, typer.Option(help="Prefix of the store's keys.")] = "drawdown",
    json: JsonOption = False,
) -> None:
    """Rebuild a data folder from a backup, or from the snapshot in Redis or Valkey.

    Prints the recovery point: events acknowledged after it are missing; have their senders send them again.
    Where the control plane's database is newer, what it did after that point is done again at the next start.
    """
    if (from_redis is None) == (from_backup is None):
        raise InvalidRequestError("restore: give --from-backup or --from-redis", field="from_backup")
    with Progress(transient=True, disable=json) as progress:
        restored = (
            _from_backup(from_backup, data, db)
            if from_backup is not None
            else _from_redis(from_redis or "", data, namespace, progress)
        )
    report = msgspec.to_builtins(restored)
    if json:
        print_json(report)
    else:
        print_table("Restored", ["what", "found"], sorted(_flat(report).items()))


def _from_backup(backup_folder: Path, data: Path, db: str) -> Any:
    from drawdown.storage.backup import restore_from_backup

    return restore_from_backup(backup_folder, data, db)


def _from_redis(url: str, data: Path, namespace: str, progress: Progress) -> Any:
    from drawdown.storage import restore_from_redis

    tasks: dict[str, TaskID] = {}

    def show(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what, total=total)
        progress.update(tasks[what], completed=done, total=total)

    return restore_from_redis(url, str(data), namespace=namespace, progress=show)


def stats(
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Show counters and gauges of the engine."""
    with options.open() as database:
        figures = database.stats()
    if json:
        print_json(figures)
    else:
        print_table("Figures", ["figure", "now"], sorted(_flat(figures).items()))


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (verify, snapshot, backup, restore, stats):
        app.command()(command)
