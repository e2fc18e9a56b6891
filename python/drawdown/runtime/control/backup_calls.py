"""Take a joint backup beside running work: long copies first, then one short moment in which nothing moves.

::

    closed segments ──→ [ no transaction, no delivery: checkpoints, journal up to now, META ] ──→ rows

In that moment the control plane rests, so the journal has exactly the commands that the rows know; usage
goes on and is in the backup up to its ``seq``. The rows are read afterwards from a view that stays.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from drawdown import errors
from drawdown.model.backup import BackupTaken, TakeBackup
from drawdown.model.instants import instant_from_us
from drawdown.runtime.control.registry import handles
from drawdown.runtime.control.step import Step
from drawdown.storage.backup import CONTROL, ENGINE, Manifest, require_empty, write_manifest
from drawdown.storage.folder_copy import FolderCopy
from drawdown.storage.sql.dump import dump_tables, revision_of

if TYPE_CHECKING:
    from drawdown.engine import Engine
    from drawdown.runtime.control.control_plane import ControlPlane


def _take(plane: "ControlPlane", request: TakeBackup, _: str) -> BackupTaken:
    destination = Path(request.destination)
    if not destination.is_absolute():
        raise errors.InvalidRequestError(
            "destination: name a folder by its whole path, from /", field="destination"
        )
    require_empty(destination, "destination")
    if plane.folder is None:
        raise errors.PreconditionError("this engine has no folder", reason="NO_FOLDER")
    destination.mkdir(mode=0o700, parents=True, exist_ok=True)
    copy = FolderCopy(plane.folder.absolute(), destination / ENGINE)
    if active := _active(plane.engine)[0]:
        copy.copy_settled(active)
    seq = 0

    def while_nothing_moves() -> None:
        nonlocal seq
        copy.copy_checkpoints()
        plane.engine.wait_durable(plane.engine.applied_seq())
        seq = plane.engine.durable_seq()
        _copy_journal(plane.engine, copy)
        copy.copy_small()

    with ExitStack() as reading:
        with plane.delivery.resting():
            view = reading.enter_context(plane.sql.still(while_nothing_moves))
        taken_at = instant_from_us(plane.now_us())
        schema = revision_of(view)
        tables = dump_tables(view, destination / CONTROL)
    files = copy.files()
    manifest = Manifest(
        store_id=plane.engine.store_id(),
        taken_at=taken_at,
        seq=seq,
        schema=schema,
        files=files,
        tables=tables,
    )
    write_manifest(destination, manifest)
    return BackupTaken(
        destination=str(destination),
        store_id=manifest.store_id,
        taken_at=taken_at,
        seq=seq,
        files=len(files),
        bytes=sum(each.size for each in files),
        rows=sum(each.rows for each in tables),
    )


def _copy_journal(engine: "Engine", copy: FolderCopy) -> None:
    first_seq, end = _active(engine)
    copy.copy_settled(first_seq)
    if not first_seq and (begun := _active(engine))[0]:
        # The first segment since the start was begun meanwhile.
        first_seq, end = begun
        copy.drop(first_seq)
    copy.copy_active(first_seq, end)


def _active(engine: "Engine") -> tuple[int, int]:
    """First seq of the segment being written and how many of its bytes are settled."""
    before: tuple[int, int] | None = None
    while True:
        figures = engine.stats()
        now = int(figures["segment_first_seq"]), int(figures["segment_end"])
        # Two figures, read one after the other: twice the same segment means that they belong together.
        if before is not None and before[0] == now[0]:
            return before
        before = now


@handles(TakeBackup, before=_take)
def take_backup(step: Step, _: TakeBackup) -> BackupTaken:
    """What was taken, outside any transaction."""
    taken: BackupTaken = step.prior
    return msgspec.structs.replace(taken)
