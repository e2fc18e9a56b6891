"""Keys of a snapshot in Redis, and the manifest that makes it one.

::

    {NS}:owner             string   "STORE_ID EPOCH OPENING"; watched by every transaction
    {NS}:current           string   number of the generation that readers use
    {NS}:g<G>:manifest     string   JSON, below; absent until the generation's first pass is complete
    {NS}:g<G>:a:<B>        hash     account uid → sealed account image; B = uid div 1024
    {NS}:g<G>:r:<S>-<n>    string   sealed run n of dedupe keys of the pass that began at S
    {NS}:g<G>:runs         hash     "<S>-<n>" → "BYTES NEWEST": its size, and an instant (µs)
                                    that no event of the run is dated after
    {NS}:g<G>:global       string   sealed image of catalog, floor and clocks

    sealed: crc32 u32le of bytes, begun at the uid or at the crc32 of "<S>-<n>" or "global" | bytes

    manifest: {"format": 1, "store_id", "epoch", "generation", "snapshot_seq", "accounts", "buckets",
               "runs", "taken_at_us", "complete": true, "opening"}

An epoch is of one opening of one folder; the opening's random word tells apart copies of a folder that have
come to the same epoch. Who has no word is of a version that wrote none.

The braces are a hash tag: all keys of a namespace share one slot of a cluster, so one transaction
can span them. A generation is written whole, then the pointer flips in one transaction. Images carry
their own journal position and runs are written before the images they cover, so a half-written later
pass does no harm. Raise ``FORMAT`` when an older reader would misread what is written.
"""

import zlib
from typing import Final

import msgspec

from drawdown.errors import CorruptDataError

FORMAT: Final = 1


# Neighbours change together (accounts are numbered as they are created), so a pass touches few
# hashes, and one hash stays small enough to read in a few answers.
BUCKET_ACCOUNTS: Final = 1024

GLOBAL: Final = zlib.crc32(b"global")
_CRC_BYTES: Final = 4


def run_place(name: str) -> int:
    """What the checksum of a run begins at."""
    return zlib.crc32(name.encode())


def seal(place: int, content: bytes) -> bytes:
    """The content with a checksum over it and its place, so that a part in a wrong place is found too."""
    return zlib.crc32(content, place).to_bytes(_CRC_BYTES, "little") + content


def unseal(place: int, stored: bytes, key: str) -> bytes:
    """The content. Raises ``CorruptDataError`` naming the key where it is not what was stored."""
    content = stored[_CRC_BYTES:]
    if stored[:_CRC_BYTES] != zlib.crc32(content, place).to_bytes(_CRC_BYTES, "little"):
        raise CorruptDataError(
            f"{key} is damaged: {len(stored)} bytes with a wrong checksum; restore from another copy"
        )
    return content


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What makes the keys of a generation a snapshot; written last."""

    format: int
    store_id: str
    epoch: int
    generation: int
    snapshot_seq: int
    """S: a restore reaches every account at or above this journal position."""
    accounts: int
    """Account images in the generation when the pass ended."""
    buckets: int
    """Account hashes are numbered below this."""
    runs: int
    taken_at_us: int
    complete: bool
    opening: str = ""
    """Which opening of the folder took it."""

    @classmethod
    def decoded(cls, stored: bytes) -> "Manifest":
        """Raises ``ValueError`` for what is no manifest."""
        try:
            return msgspec.json.decode(stored, type=cls)
        except (msgspec.MsgspecError, RecursionError) as raised:
            raise ValueError(f"not a manifest: {raised}") from raised


class _Format(msgspec.Struct):
    format: int


def is_newer_format(stored: bytes) -> bool:
    """Whether a manifest is of a format that this version does not know, whatever else it holds."""
    try:
        return msgspec.json.decode(stored, type=_Format).format > FORMAT
    except (msgspec.MsgspecError, RecursionError):
        return False


def generation_from(stored: bytes | None) -> int:
    """The number that the pointer holds; 0 where it holds none."""
    digits_max = 18
    if stored is None or not stored.isdigit() or len(stored) > digits_max:
        return 0
    return int(stored)


class Owner(msgspec.Struct, frozen=True):
    """Who may write to the namespace."""

    store_id: str
    epoch: int
    opening: str = ""

    def encoded(self) -> bytes:
        """As it is stored."""
        return f"{self.store_id} {self.epoch} {self.opening}".rstrip().encode()

    @classmethod
    def decoded(cls, stored: bytes) -> "Owner":
        """Raises ``ValueError`` for anything else than what ``encoded`` makes."""
        store_id, _, rest = stored.decode("ascii").partition(" ")
        epoch, _, opening = rest.partition(" ")
        owner = cls(store_id, int(epoch), opening)
        if not store_id or owner.encoded() != stored:
            raise ValueError("not an owner")
        return owner


class RunFacts(msgspec.Struct, frozen=True):
    """What the index says of a run."""

    size_bytes: int
    newest_us: int

    def encoded(self) -> bytes:
        """As it is stored."""
        return f"{self.size_bytes} {self.newest_us}".encode()

    @classmethod
    def decoded(cls, stored: bytes) -> "RunFacts":
        """Raises ``ValueError`` for anything else than what ``encoded`` makes."""
        size_bytes, newest_us = stored.split(b" ")
        return cls(int(size_bytes), int(newest_us))


class Layout:
    """Key names of one namespace."""

    def __init__(self, namespace: str) -> None:
        self.tag = f"{{{namespace}}}"
        self.owner = f"{self.tag}:owner"
        self.current = f"{self.tag}:current"

    def generation(self, number: int) -> str:
        """Prefix of a generation's keys."""
        return f"{self.tag}:g{number}"

    def manifest(self, number: int) -> str:
        """JSON ``Manifest``."""
        return f"{self.generation(number)}:manifest"

    def accounts(self, number: int, bucket: int) -> str:
        """Hash of account uid → image."""
        return f"{self.generation(number)}:a:{bucket}"

    def run(self, number: int, name: str) -> str:
        """One run of dedupe keys."""
        return f"{self.generation(number)}:r:{name}"

    def runs(self, number: int) -> str:
        """Hash of run name → its size."""
        return f"{self.generation(number)}:runs"

    def global_image(self, number: int) -> str:
        """Image of catalog, floor and clocks."""
        return f"{self.generation(number)}:global"
