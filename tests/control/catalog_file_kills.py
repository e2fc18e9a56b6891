"""A catalog file is loaded, killed at each point of that, and what is there afterwards is looked at.

    python -m tests.control.catalog_file_kills FOLDER CATALOG

Writes JSON: of each point by name whether the whole file was there after a kill; at the last nobody was
killed. Half of a file is an error. In a process of its own, as children are forked from it.
"""

from __future__ import annotations

import itertools
import sys
from functools import partial
from pathlib import Path
from typing import Any

import drawdown
import msgspec
from drawdown.cli.catalog_file_commands import content_of

from .crash_story import ENGINE
from .killed_child import in_child

NOBODY = "nobody was killed"
WORDS = (b"gems", b"shop-images", b"shop-card", b"shop-pack", b"shop-plan")
"""What each table of the file must have left in the catalog."""


def load(folder: Path, content: dict[str, Any]) -> bytes:
    with drawdown.open(folder, **ENGINE) as database:
        database.load_catalog(content)
    return b""


def look(folder: Path, content: dict[str, Any]) -> bytes:
    """The catalog as it is; where nothing of the file is there, another of the same names can be loaded."""
    with drawdown.open(folder, **ENGINE) as database:
        there = msgspec.json.encode(database.dump_catalog())
        # A meter is declared once: one that was left over could not come back as another.
        changed = {**content, "meters": [{**content["meters"][0], "unit": "picture"}]}
        if b"shop" not in there:
            database.load_catalog(changed)
        return there


def kills(base: Path, content: dict[str, Any]) -> dict[str, bool]:
    """By point: whether the whole file was there after it."""
    found: dict[str, bool] = {}
    for point in itertools.count(1):
        folder, answer = base / f"data-{point}", base / f"answer-{point}"
        told = in_child(partial(load, folder, content), answer, point=point)
        assert not in_child(partial(look, folder, content), answer, point=None).killed_at
        there = [word in answer.read_bytes() for word in WORDS]
        assert all(there) or not any(there), (told.killed_at, there)
        found[told.killed_at or NOBODY] = all(there)
        if not told.killed_at:
            break
    return found


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(kills(Path(sys.argv[1]), content_of(Path(sys.argv[2])))))
