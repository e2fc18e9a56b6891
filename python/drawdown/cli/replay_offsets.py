"""Where replayed traces stand in time: the offset of each file, kept so that a repeat is the same.

The file ``replay.json`` maps a trace's content hash to microseconds: ``{"<hash>": {"offset_us": n}}``.
It is written, and flushed to disk, before the first event that uses it.
"""

from __future__ import annotations

import json
from pathlib import Path

from drawdown.errors import CorruptDataError
from drawdown.storage.small_file import replace_file

FILE_NAME = "replay.json"
# The newest row of a mapped trace lies this far in the past: never ahead of the server's clock.
MARGIN_US = 60 * 1_000_000
# Traces younger than this are taken at their own times. Half of the default window, so that a repeat fits.
YOUNG_US = 17 * 86_400 * 1_000_000


def offset_for(first_us: int, last_us: int, now_us: int) -> int:
    """Microseconds to add to every row: 0 for a recent trace, else its end falls one minute ago."""
    if last_us <= now_us and first_us >= now_us - YOUNG_US:
        return 0
    return now_us - MARGIN_US - last_us


class ReplayOffsets:
    """The offsets kept in one folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def read(self, content_hash: str) -> int | None:
        """The offset of a trace replayed before. Raises ``CorruptDataError`` if the file is unreadable."""
        known = self._read_all().get(content_hash)
        return None if known is None else known["offset_us"]

    def write(self, content_hash: str, offset_us: int) -> None:
        """Keep an offset; on disk when this returns."""
        known = self._read_all()
        known[content_hash] = {"offset_us": offset_us}
        replace_file(self._path, json.dumps(known, indent=1, sort_keys=True).encode())

    def _read_all(self) -> dict[str, dict[str, int]]:
        try:
            known = json.loads(self._path.read_text("utf-8"))
            if all(isinstance(each["offset_us"], int) for each in known.values()):
                return dict(known)
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass
        raise CorruptDataError(
            f"{self._path}: not a list of replay offsets; restore it, or replay into a new folder"
        )
