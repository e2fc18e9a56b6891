"""A small file that is replaced whole: on disk when the call returns, readable by its owner only.

The owner stays who it was, whoever replaces it: see ``file_owner``.
"""

import os
import tempfile
from pathlib import Path
from typing import Final

from drawdown.storage.file_owner import give_as_replacement, make_folder

OWNER_ONLY: Final = 0o600


def replace_file(path: Path, content: bytes) -> None:
    """Write ``content`` beside ``path`` and put it in its place; a crash leaves the old or the new file.

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


def sync_folder(folder: Path) -> None:
    """Make the folder's list of names durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
