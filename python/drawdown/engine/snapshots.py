"""One pass of the remote snapshot, as the engine hands it out: images and keys, then the global image."""

from collections.abc import Iterator

import msgspec

from drawdown import _engine
from drawdown.engine.translate import translating


class SnapshotPass(msgspec.Struct, frozen=True):
    """What a pass begins with."""

    store_id: str
    epoch: int
    """Grows with each start of an engine on this folder; an older one may never write."""
    start_seq: int
    """S: every image of the pass is at or above it."""
    dirty: int = 0
    """Accounts that the pass will image."""


class SnapshotReader:
    """Reads passes off an open engine. One pass at a time; not for use from two threads."""

    def __init__(self, raw: _engine.Engine) -> None:
        self._raw = raw

    def begin(self, *, full: bool) -> SnapshotPass:
        """Start a pass over accounts changed since the last completed one, or over all."""
        with translating():
            return msgspec.json.decode(self._raw.snapshot_begin(full), type=SnapshotPass)

    def key_runs(self) -> Iterator[bytes]:
        """Runs of dedupe keys of the durable journal that were not handed out yet in this pass.

        Store those of a chunk's events before its images.
        """
        while True:
            with translating():
                run = self._raw.snapshot_keys()
            if run is None:
                return
            yield run

    def chunks(self, accounts_max: int) -> Iterator[tuple[int, list[tuple[int, bytes]]]]:
        """``(max_seq, [(account uid, image), …])``; store only when ``max_seq`` is durable."""
        while True:
            with translating():
                chunk = self._raw.snapshot_chunk(accounts_max)
            if chunk is None:
                return
            yield chunk

    def global_image(self) -> tuple[int, bytes]:
        """``(seq, image)`` of catalog, floor and clocks; stored last, before the manifest."""
        with translating():
            return self._raw.snapshot_global()

    def end(self, *, complete: bool) -> None:
        """Close the pass; when not complete its accounts are dirty again."""
        with translating():
            self._raw.snapshot_end(complete)
