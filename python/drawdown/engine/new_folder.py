"""A data folder that is new is open to its owner only, whatever the umask: it will hold customers' data."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_OWNER_ONLY: Final = 0o700


@contextlib.contextmanager
def owner_only_if_new(path: str) -> Iterator[None]:
    """Where the block makes this folder, only its owner may enter it; one that was there stays as it is.

    Those above it that are made with it are as the umask says.
    """
    folder = Path(path)
    existed = folder.exists()
    try:
        yield
    finally:
        if not existed:
            # It was never made, or its file system knows no owners.
            with contextlib.suppress(OSError):
                os.chmod(folder, _OWNER_ONLY)
