"""What is in the repository: the files a rule about the repository looks at."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python" / "drawdown"

GENERATED = ("awaited.py", "Cargo.lock")


@cache
def tracked() -> tuple[Path, ...]:
    """Every file git knows or would add, sorted; ignored files are not seen."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return tuple(sorted(path for name in listed.split("\0") if name and (path := ROOT / name).is_file()))


def is_generated(path: Path) -> bool:
    """True for files made by a tool from other files of the repository."""
    made = (PACKAGE / "v1", PACKAGE / "storage" / "sql" / "migrations" / "versions")
    return any(path.is_relative_to(each) for each in made) or path.name in GENERATED


def sources(*suffixes: str) -> tuple[Path, ...]:
    """Written files with one of the suffixes."""
    return tuple(path for path in tracked() if path.suffix in suffixes and not is_generated(path))


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))
