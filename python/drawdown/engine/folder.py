"""Data folders that no engine has open: verify one, or rebuild one from a remote snapshot."""

from typing import Any

import msgspec

from drawdown import _engine
from drawdown.engine.translate import translating


def verify_folder(path: str) -> dict[str, Any]:
    """Read every byte of a folder not in use and report: frames, seqs, digests, conservation.

    Raises ``CorruptDataError`` naming file and offset, ``FolderLockedError`` while a process owns it.
    Changes nothing. Cost grows with the journal kept.
    """
    with translating():
        report: dict[str, Any] = msgspec.json.decode(_engine.verify_folder(path))
    return report


class Restore:
    """Rebuilds an empty folder from the parts of a remote snapshot: images, then keys, then ``finish``.

    Until ``finish`` has returned the folder is not an engine's; start again with an empty one.
    """

    def __init__(self, path: str, manifest: bytes) -> None:
        with translating():
            self._restore = _engine.restore_begin(path, manifest)

    def keys(self, run: bytes) -> None:
        """Take one run of dedupe keys. Raises ``CorruptDataError``."""
        with translating():
            self._restore.keys(run)

    def image(self, image: bytes) -> None:
        """Take one account image. Raises ``CorruptDataError``."""
        with translating():
            self._restore.image(image)

    def finish(self, global_image: bytes) -> dict[str, Any]:
        """Write the folder's first checkpoint; answers the recovery point (seq and time) and counts."""
        with translating():
            report: dict[str, Any] = msgspec.json.decode(self._restore.finish(global_image))
        return report
