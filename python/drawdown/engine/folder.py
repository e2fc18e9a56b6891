"""Data folders that no engine has open: verify one, salvage one, or rebuild one from a remote snapshot."""

from contextlib import nullcontext
from typing import Any

import msgspec

from drawdown import _engine
from drawdown.engine.new_folder import owner_only_if_new
from drawdown.engine.translate import translating


def verify_folder(path: str) -> dict[str, Any]:
    """Read every byte of a folder not in use and report: frames, seqs, digests, conservation.

    Raises ``CorruptDataError`` naming file and offset, ``FolderLockedError`` while a process owns it.
    Changes nothing. Cost grows with the journal kept.
    """
    with translating():
        report: dict[str, Any] = msgspec.json.decode(_engine.verify_folder(path))
    return report


def salvage_folder(source: str, target: str | None = None) -> dict[str, Any]:
    """Build a new folder out of what can be read of a damaged one; without a target only say what is lost.

    ``lost`` and ``forgotten`` are ranges of journal positions: of the first the balances know nothing any
    more, of the second only the event ids are gone, and the floor stands above their events. ``damage``
    says in words what could not be read. The damaged folder is not changed.

    Raises ``CorruptDataError`` where nothing can be salvaged, ``PreconditionError`` where the target is not
    empty, ``FolderLockedError`` while a process owns one of the folders.
    """
    new_folder = nullcontext() if target is None else owner_only_if_new(target)
    with translating(), new_folder:
        report: dict[str, Any] = msgspec.json.decode(_engine.salvage_folder(source, target))
    return report


class Restore:
    """Rebuilds an empty folder from the parts of a remote snapshot: images, then keys, then ``finish``.

    Until ``finish`` has returned the folder is not an engine's; another ``Restore`` may begin in it once this
    one has let go of it, at the end of its block.
    """

    def __init__(self, path: str, manifest: bytes) -> None:
        with translating(), owner_only_if_new(path):
            self._restore = _engine.restore_begin(path, manifest)

    def __enter__(self) -> "Restore":
        return self

    def __exit__(self, *_: object) -> None:
        # The lock goes with it: an error that someone keeps would keep this object, too.
        del self._restore

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
