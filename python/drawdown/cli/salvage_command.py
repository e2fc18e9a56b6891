"""``drawdown salvage``: a new folder out of a damaged one, and exactly what that costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from drawdown.cli import exit_codes
from drawdown.cli.options import JsonOption
from drawdown.cli.output import console, print_json
from drawdown.errors import InvalidRequestError
from drawdown.model import instant_from_us

# The control plane's database. A backup dumps it; nobody uses this one, so its files are all of it;
# where it is another database, the mark that says so.
DATABASE: Final = ("control.sqlite3", "control.sqlite3-wal", "control.elsewhere")


def salvage(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The damaged data folder; it is not changed.")
    ],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="An absent or empty folder to fill.")],
    accept_loss: Annotated[
        bool,
        typer.Option("--accept-loss", help="Write the new folder; without this flag only list what is lost."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Build a new folder out of a damaged one, and list what is lost.

    Try ``restore`` from a snapshot or a backup first. Exits with 0 when the new folder is written, with 1
    without --accept-loss (nothing is written), with 64 when NEW is not empty, with 65 when nothing can be
    salvaged, with 75 while a process uses the folder.
    """
    from drawdown.engine import salvage_folder

    if not folder.is_dir():
        raise InvalidRequestError(f"salvage: there is no folder {folder}", field="folder")
    if new.exists() and (not new.is_dir() or any(new.iterdir())):
        raise InvalidRequestError(f"salvage: {new} is not empty; name a new folder", field="new")
    report = salvage_folder(str(folder), str(new) if accept_loss else None)
    copied = _copy_beside(folder, new) if accept_loss else []
    if json:
        print_json({"written": accept_loss, "copied": copied, **report})
    else:
        _tell(report, folder, new, accept_loss, copied)
    if not accept_loss:
        raise typer.Exit(exit_codes.REFUSED)


def _copy_beside(folder: Path, new: Path) -> list[str]:
    """The parts of the folder that are not the engine's; answers their names."""
    from drawdown.storage.folder_copy import beside_the_engine, copy_file
    from drawdown.storage.small_file import sync_folder

    database = [folder / name for name in DATABASE if (folder / name).exists()]
    copied: dict[str, Path] = {}
    for path in (*database, *beside_the_engine(folder)):
        name = path.relative_to(folder)
        copy_file(path, new / name)
        copied[name.parts[0]] = new / name
    for parent in {path.parent for path in copied.values()} | {new}:
        sync_folder(parent)
    return list(copied)


def _tell(report: dict[str, Any], folder: Path, new: Path, written: bool, copied: list[str]) -> None:
    for what in report["damage"]:
        console.print(f"damaged: {what}", markup=False)
    would = "is" if written else "would be"
    for first, last in report["lost"]:
        console.print(f"lost: journal positions {first} to {last}; what they hold {would} in no balance")
    for first, last in report["forgotten"]:
        console.print(
            f"forgotten: event ids of journal positions {first} to {last}; their effect is kept, and events "
            f"before {_time(report['floor_us'])} are TOO_LATE"
        )
    if not report["lost"]:
        console.print("no balance loses anything")
    console.print(
        f"state as of position {report['recovered_seq']}, {_time(report['recovered_time_us'])}: "
        f"{report['accounts']} accounts; credits "
        + ("are accounted for" if report["conservation"]["holds"] else "are NOT accounted for")
    )
    if not written:
        console.print("nothing was written: repeat with --accept-loss")
        return
    console.print(
        f"written to {new} as store {report['new_store_id']}"
        + (f", with {', '.join(copied)}" if copied else "")
        + f". The earlier ledger stays in {folder}. Its snapshot store needs --redis-takeover.",
        markup=False,
    )


def _time(us: int) -> str:
    return instant_from_us(us).isoformat(timespec="seconds").replace("+00:00", "Z")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(salvage)
