"""A joint backup: the engine's folder and the control plane's rows, as they were at one moment.

::

    backup.json            what it is: written last, so that without it a backup is no backup
    engine/                META, SETTINGS, ckpt-*, seg-*, archive/, access/, payments-*.jsonl
    control/<table>.jsonl  the rows of each table

All files are for their owner only: there are hashes of API keys, and the key that event ids are hashed with.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from drawdown import errors
from drawdown.model.instants import us_from_instant
from drawdown.storage.folder_copy import CopiedFile, copy_file
from drawdown.storage.small_file import replace_file, sync_folder
from drawdown.storage.sql.database import url_of
from drawdown.storage.sql.dump import DumpedTable, load_tables
from drawdown.storage.sql.elsewhere import note_elsewhere

FORMAT: Final = 1
MANIFEST: Final = "backup.json"
ENGINE: Final = "engine"
CONTROL: Final = "control"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup is."""

    format: int = FORMAT
    store_id: str
    taken_at: datetime
    seq: int
    """The journal is there up to here at least."""
    schema: str
    """The step that the control plane's tables stand at."""
    files: tuple[CopiedFile, ...]
    tables: tuple[DumpedTable, ...]


class RestoredBackup(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore brought back."""

    store_id: str
    taken_at: datetime
    seq: int
    files: int
    rows: int


def require_empty(folder: Path, field: str) -> None:
    """Raises ``InvalidRequestError`` unless the folder is absent or empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise errors.InvalidRequestError(
            f"{field}: {folder} is not empty; name a new folder and keep this one", field=field
        )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """The backup is complete when this returns."""
    replace_file(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """Raises ``InvalidRequestError`` where there is no complete backup that this version can read."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (FileNotFoundError, NotADirectoryError):
        raise errors.InvalidRequestError(
            f"from_backup: {folder} has no {MANIFEST}: it is not a backup, or one that was never completed",
            field="from_backup",
        ) from None
    except msgspec.MsgspecError as raised:
        raise errors.CorruptDataError(f"{folder / MANIFEST}: {raised}") from raised
    if manifest.format != FORMAT:
        raise errors.InvalidRequestError(
            f"from_backup: format {manifest.format}; this version reads {FORMAT}", field="from_backup"
        )
    return manifest


def restore_from_backup(backup: Path, data: Path, db: str = "") -> RestoredBackup:
    """A data folder with its control plane as they were. The first start goes on from there.

    ``db`` is an empty database for the control plane; empty text: SQLite in the folder. Raises
    ``InvalidRequestError`` (something is in the way), ``CorruptDataError`` naming the file; then what was
    written is removed again.
    """
    manifest = read_manifest(backup)
    # A link stays: what is removed again is what it leads to.
    data = data.resolve()
    require_empty(data, "data")
    existed = data.exists()
    try:
        # Here, as the first file may lie in a folder of its own, above which the umask would hold.
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in manifest.files:
            copied = copy_file(_within(backup / ENGINE, each.name), _within(data, each.name))
            if copied != (each.size, each.digest):
                raise errors.CorruptDataError(
                    f"{backup / ENGINE / each.name}: it is not what the backup wrote"
                )
        rows = load_tables(
            url_of(db, str(data)),
            manifest.schema,
            backup / CONTROL,
            manifest.tables,
            at_us=us_from_instant(datetime.now(UTC)),
        )
        note_elsewhere(db, str(data))
        sync_folder(data)
    except BaseException:
        _remove(data, existed)
        raise
    return RestoredBackup(
        store_id=manifest.store_id,
        taken_at=manifest.taken_at,
        seq=manifest.seq,
        files=len(manifest.files),
        rows=rows,
    )


def _within(folder: Path, name: str) -> Path:
    """Raises ``CorruptDataError`` for a name that leads out of the folder."""
    if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
        raise errors.CorruptDataError(f"{MANIFEST} names a file outside the backup: {name[:128]!r}")
    return folder / name


def _remove(data: Path, existed: bool) -> None:
    shutil.rmtree(data, ignore_errors=True)
    if existed:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
