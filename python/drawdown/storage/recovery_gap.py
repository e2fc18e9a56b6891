"""The stretch of the ledger that a folder out of a remote snapshot has in parts only: ``restored.json``.

::

    images of accounts   ──S──a───b─────c──E
    new journal                            └ E+1 …

Each account is as of its own image, taken between the recovery point S and the last of them, E. The engine
goes on behind E; what it was told between S and E is in some accounts and not in others, so whoever kept it
tells it again (``runtime/control/recovering.py``). Until that is noted where it is kept, the file says so::

    {"recovery_seq": 5, "end_seq": 7}
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from drawdown.errors import CorruptDataError
from drawdown.storage.small_file import replace_file, sync_folder

FILE: Final = "restored.json"
# Of a gap whose end is not known yet.
ANYWHERE: Final = (1 << 63) - 1


class RecoveryGap(msgspec.Struct, frozen=True, kw_only=True):
    """Journal positions: above the first and up to the second nothing is certain to be in the engine."""

    recovery_seq: int
    end_seq: int

    def write(self, folder: Path) -> None:
        """Durable when this returns; in place of what was noted before."""
        replace_file(folder / FILE, msgspec.json.encode(self))


def gap_of(folder: Path) -> RecoveryGap | None:
    """The gap that is still open. Raises ``CorruptDataError`` for a file that says something else."""
    try:
        written = (folder / FILE).read_bytes()
    except FileNotFoundError:
        return None
    try:
        return msgspec.json.decode(written, type=RecoveryGap)
    except (msgspec.MsgspecError, ValueError) as raised:
        raise CorruptDataError(f"{FILE} can't be read: {raised}") from raised


def close_gap(folder: Path) -> None:
    """Everything in it waits to be told again, whatever becomes of the process."""
    (folder / FILE).unlink(missing_ok=True)
    sync_folder(folder)
