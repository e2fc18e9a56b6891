"""Copying a data folder that is in use, and putting a copy where a new one is to be.

What is copied is a state that was on disk: checkpoints first, then the journal behind them up to where it
was settled when asked, then META, which says where the journal begins. A file that is tidied away
meanwhile is looked for again; the segment being written ends, as after a power cut, in zeros.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from drawdown import errors
from drawdown.storage.recovery_gap import FILE as RECOVERY_GAP
from drawdown.storage.small_file import OWNER_ONLY, sync_folder

_STEP_BYTES: Final = 1 << 20
_LOOKS_MAX: Final = 20
_ARCHIVE: Final = "archive"


class CopiedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the copy; ``name`` is relative to the folder."""

    name: str
    size: int
    digest: str


class FolderCopy:
    """From a data folder into an empty one."""

    def __init__(self, source: Path, destination: Path) -> None:
        self._source = source
        self._destination = destination
        self._copied: dict[str, CopiedFile] = {}

    def copy_settled(self, active_first_seq: int) -> None:
        """Segments before the one being written, which nobody changes any more."""
        for _ in range(_LOOKS_MAX):
            try:
                for path in self._segments():
                    if _first_seq(path) < active_first_seq or not active_first_seq:
                        self._copy(path)
                return
            except FileNotFoundError:
                # Archived or let go meanwhile: it stands elsewhere now, or is needed no more.
                continue
        raise errors.UnavailableError(f"{self._source}: its segments keep changing; try again")

    def copy_checkpoints(self) -> None:
        """Images of accounts; the journal that is copied afterwards is behind them."""
        for _ in range(_LOOKS_MAX):
            try:
                for pattern in ("ckpt-*.dc", "keys-*.dk"):
                    for path in sorted(self._source.glob(pattern)):
                        self._copy(path)
                return
            except FileNotFoundError:
                continue
        raise errors.UnavailableError(f"{self._source}: its checkpoints keep changing; try again")

    def copy_active(self, first_seq: int, end: int) -> None:
        """Of the segment being written what never changes any more; one without a frame is left out."""
        for path in self._segments():
            if end and _first_seq(path) == first_seq:
                self._copy(path, end)

    def drop(self, first_seq: int) -> None:
        """This segment was copied while it was written: not copied."""
        for name in [each for each in self._copied if Path(each).suffix == ".dj"]:
            if _first_seq(Path(name)) >= first_seq:
                (self._destination / name).unlink()
                del self._copied[name]

    def copy_small(self) -> None:
        """What the folder is, its keys and its payments' book."""
        for name in ("META", "SETTINGS"):
            if (self._source / name).exists():
                self._copy(self._source / name)
        for path in beside_the_engine(self._source):
            self._copy(path)

    def files(self) -> tuple[CopiedFile, ...]:
        """What was copied; all of it is on disk."""
        for folder in {(self._destination / each.name).parent for each in self._copied.values()}:
            sync_folder(folder)
        return tuple(self._copied[name] for name in sorted(self._copied))

    def _segments(self) -> Iterator[Path]:
        for folder in (self._source, self._source / _ARCHIVE):
            yield from sorted(folder.glob("seg-*.dj"))

    def _copy(self, path: Path, end: int | None = None) -> None:
        if path.name in {Path(name).name for name in self._copied}:
            return
        name = str(path.relative_to(self._source))
        copied = copy_file(path, self._destination / name, end=end)
        self._copied[name] = CopiedFile(name=name, size=copied[0], digest=copied[1])


def beside_the_engine(folder: Path) -> Iterator[Path]:
    """Small files of a data folder that no journal can make anew: whoever copies a folder takes them along.

    Offsets of replayed traces, what a restore left open, the book of each payment provider, keys with their
    pepper, and the audit log.
    """
    for name in ("replay.json", RECOVERY_GAP):
        if (folder / name).exists():
            yield folder / name
    yield from sorted(folder.glob("payments-*.jsonl"))
    for path in sorted((folder / "access").glob("*")):
        # With a dot begins what is not yet in its place: see `replace_file`.
        if path.is_file() and path.name != "LOCK" and not path.name.startswith("."):
            yield path


def _first_seq(path: Path) -> int:
    return int(path.stem.removeprefix("seg-"))


def copy_file(source: Path, target: Path, *, end: int | None = None) -> tuple[int, str]:
    """Copy, up to ``end`` and with zeros behind it; answers size and digest of the copy, which is on disk."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.blake2b(digest_size=32)
    with source.open("rb") as reading:
        size = os.fstat(reading.fileno()).st_size
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        with os.fdopen(descriptor, "wb") as writing:
            left = size if end is None else min(end, size)
            while left:
                block = reading.read(min(_STEP_BYTES, left))
                if not block:
                    break
                left -= len(block)
                digest.update(block)
                writing.write(block)
            if end is not None:
                _hash_zeros(digest, size - writing.tell())
                writing.truncate(size)
            size = os.fstat(writing.fileno()).st_size if end is not None else writing.tell()
            writing.flush()
            os.fsync(writing.fileno())
    return size, digest.hexdigest()


def digest_of(path: Path) -> str:
    """Of the file's bytes, as the copy's. Raises ``CorruptDataError`` where there is none."""
    try:
        with path.open("rb") as reading:
            return hashlib.file_digest(reading, lambda: hashlib.blake2b(digest_size=32)).hexdigest()
    except FileNotFoundError:
        raise errors.CorruptDataError(f"{path} is missing") from None


def _hash_zeros(digest: "hashlib.blake2b", count: int) -> None:
    while count > 0:
        digest.update(bytes(min(count, _STEP_BYTES)))
        count -= _STEP_BYTES
