"""A file that is its owner's only: a small one that is replaced whole, or one that others will write.

The owner stays who it was, whoever replaces it: see ``file_owner``.
"""

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from drawdown.storage.file_owner import give_as_replacement, give_to_owner_of, make_folder

OWNER_ONLY: Final = 0o600


def replace_file(path: Path, content: bytes) -> None:
    """Write ``content`` beside ``path`` and put it in its place; on disk when this returns.

    A crash leaves the old or the new file.
    Raises ``PreconditionError`` where the file belongs to somebody else, except for root.
    """
    make_folder(path.parent)
    # mkstemp makes files of mode 0600.
    descriptor, written = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            give_as_replacement(path, descriptor)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(written, path)
    except BaseException:
        Path(written).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def keep_to_owner(path: Path) -> None:
    """The file is there and readable by its owner only; a new one is empty and belongs to the folder's owner.

    Raises nothing: whoever then opens the file says in its own words what is wrong with it.
    """
    with contextlib.suppress(OSError):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY)
        except FileExistsError:
            close_to_others(path)
            return
        try:
            give_to_owner_of(path.parent, descriptor)
        finally:
            os.close(descriptor)
        sync_folder(path.parent)


def close_to_others(path: Path) -> None:
    """A file that is there is its owner's only; another user's, and what is no plain file, stays as it is."""
    # By name: closing a descriptor of a database would take its locks from the rest of the process.
    with contextlib.suppress(OSError):
        found = path.lstat()
        mode = stat.S_IMODE(found.st_mode)
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and mode & ~OWNER_ONLY:
            path.chmod(mode & OWNER_ONLY)


def sync_folder(folder: Path) -> None:
    """Make the folder's list of names durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
