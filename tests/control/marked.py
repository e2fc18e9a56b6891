"""Tables that a script puts into a document, between marks that say which."""

from __future__ import annotations

from pathlib import Path


def put_between_marks(document: Path, name: str, text: str) -> None:
    """Replace what stands between ``<!-- begin: NAME -->`` and ``<!-- end: NAME -->``."""
    begin, end = f"<!-- begin: {name} -->\n", f"<!-- end: {name} -->"
    whole = document.read_text("utf-8")
    if whole.count(begin) != 1 or whole.count(end) != 1:
        raise SystemExit(f"{document} has no marks for {name!r}")
    before, _, rest = whole.partition(begin)
    document.write_text(before + begin + text + end + rest.partition(end)[2], "utf-8")
