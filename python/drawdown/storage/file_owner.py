"""Who owns what is written into a data folder: the user of the service, also where root lends a hand.

A file that root makes with mode 0600 would be closed to the service from then on.
"""

import contextlib
import os
from pathlib import Path

from drawdown.errors import PreconditionError


def make_folder(folder: Path) -> None:
    """The folder is there, open to its owner only; a new one belongs to the owner of the one it is in.

    The one it is in is open to its owner only, too, where it is new: a data folder in which keys are made
    before a server starts.
    """
    if folder.is_dir():
        return
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        give_to_owner_of(folder.parent, descriptor)
    finally:
        os.close(descriptor)


def give_to_owner_of(folder: Path, descriptor: int) -> None:
    """What root has open here belongs to the folder's owner; anybody else's stays as it is."""
    # Root without the right to give away keeps what it made.
    with contextlib.suppress(PermissionError):
        _give(descriptor, folder.stat())


def give_as_replacement(replaced: Path, descriptor: int) -> None:
    """What takes the file's place belongs to its owner; where there is none, to the folder's.

    Raises ``PreconditionError`` for a caller who is neither that owner nor root: the owner could not read it.
    """
    try:
        before = replaced.stat()
    except FileNotFoundError:
        give_to_owner_of(replaced.parent, descriptor)
        return
    if os.geteuid() not in (0, before.st_uid):
        raise PreconditionError(
            f"{replaced} belongs to user {before.st_uid} and would be closed to it: do this as that user, "
            f"not as user {os.geteuid()}",
            reason="FILE_OWNER",
        )
    _give(descriptor, before)


def _give(descriptor: int, owner: os.stat_result) -> None:
    if os.geteuid() == 0 and os.fstat(descriptor).st_uid != owner.st_uid:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
